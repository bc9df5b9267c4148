// Promql evaluates alerts and queries with Prometheus's own parser, engine and templates.
//
// It takes a case in JSON on standard input: rules, queries, and what there is to query, as series in the notation of
// promtool or as pages of metrics. Rules and queries are evaluated at each step. It answers in JSON how many values each
// query has returned, and each time that an alert was active: it fires once its expression has returned the same labels
// for as long as the rule demands.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/util/annotations"
)

// minute is the interval between the values of series, in seconds, and between evaluations unless the case has another.
const minute = 60

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// page is what a target has answered. One that could not be scraped has no text.
type page struct {
	At     int64
	Labels map[string]string
	Text   string
}

type input struct {
	Rules   []rule
	Queries []string
	Series  []string
	Pages   []page
	// Begin and Until are times in seconds since 1970, Step is in seconds.
	Begin int64
	Until int64
	Step  int64
}

// alert is one time that an alert was active, pending at least, as it was at its last evaluation.
type alert struct {
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Since       int64             `json:"since"`
	Until       int64             `json:"until"`
	Fired       bool              `json:"fired"`
}

type output struct {
	Alerts  []alert        `json:"alerts"`
	Results map[string]int `json:"results"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "promql:", err)
		os.Exit(1)
	}
}

func run() error {
	var in input
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return fmt.Errorf("read the case: %w", err)
	}
	if in.Step == 0 {
		in.Step = minute
	}
	data, err := read(in)
	if err != nil {
		return err
	}
	database := &database{data, promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Minute})}
	out := output{Alerts: []alert{}, Results: map[string]int{}}
	for _, query := range in.Queries {
		if out.Results[query], err = database.count(query, in); err != nil {
			return err
		}
	}
	for _, rule := range in.Rules {
		alerts, err := database.evaluate(rule, in)
		if err != nil {
			return fmt.Errorf("alert %s: %w", rule.Alert, err)
		}
		out.Alerts = append(out.Alerts, alerts...)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// times are those of the evaluations, with both ends.
func (in input) times() []int64 {
	var all []int64
	for now := in.Begin; now < in.Until; now += in.Step {
		all = append(all, now)
	}
	return append(all, in.Until)
}

// count returns how many values a query returns at all evaluations together.
func (d *database) count(query string, in input) (int, error) {
	count := 0
	for _, now := range in.times() {
		found, err := d.ask(query, now)
		if err != nil {
			return 0, err
		}
		for _, sample := range found {
			// A quantile of nothing is no number.
			if !math.IsNaN(sample.F) {
				count++
			}
		}
	}
	return count, nil
}

// evaluate returns each time that an alert of a rule was active, in the order in which they began.
func (d *database) evaluate(rule rule, in input) ([]alert, error) {
	hold := time.Duration(0)
	if rule.For != "" {
		parsed, err := model.ParseDuration(rule.For)
		if err != nil {
			return nil, err
		}
		hold = time.Duration(parsed)
	}
	var all []*active
	before := map[uint64]*active{}
	for _, now := range in.times() {
		found, err := d.ask(rule.Expr, now)
		if err != nil {
			return nil, err
		}
		still := map[uint64]*active{}
		for _, sample := range found {
			one, known := before[sample.Metric.Hash()]
			if !known {
				one = &active{since: now}
				all = append(all, one)
			}
			one.last, one.until = sample, now
			one.fired = one.fired || time.Duration(now-one.since)*time.Second >= hold
			still[sample.Metric.Hash()] = one
		}
		before = still
	}
	var alerts []alert
	for _, one := range all {
		alert, err := d.expand(rule, one)
		if err != nil {
			return nil, err
		}
		alerts = append(alerts, alert)
	}
	return alerts, nil
}

// active is one time that an expression returned the same labels, from the first to the last evaluation that did.
type active struct {
	since, until int64
	fired        bool
	last         promql.Sample
}

// expand fills the templates of an alert.
func (d *database) expand(rule rule, one *active) (alert, error) {
	const variables = "{{$labels := .Labels}}{{$value := .Value}}"
	sample, now := one.last, one.until
	given := sample.Metric.Map()
	delete(given, labels.MetricName)
	data := template.AlertTemplateData(given, nil, "", sample)
	fill := func(texts map[string]string) (map[string]string, error) {
		filled := map[string]string{}
		for name, text := range texts {
			expander := template.NewTemplateExpander(context.Background(), variables+text, rule.Alert, data,
				model.Time(now*1000), nil, nil, []string{"missingkey=error"})
			var err error
			if filled[name], err = expander.Expand(); err != nil {
				return nil, fmt.Errorf("template of %s: %w", name, err)
			}
		}
		return filled, nil
	}
	own, err := fill(rule.Labels)
	if err != nil {
		return alert{}, err
	}
	for name, value := range own {
		given[name] = value
	}
	notes, err := fill(rule.Annotations)
	return alert{rule.Alert, given, notes, one.since, one.until, one.fired}, err
}

// database holds series in memory.
type database struct {
	series []promql.Series
	engine *promql.Engine
}

func (d *database) ask(query string, at int64) (promql.Vector, error) {
	asked, err := d.engine.NewInstantQuery(context.Background(), d, nil, query, time.Unix(at, 0))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer asked.Close()
	result := asked.Exec(context.Background())
	if result.Err != nil {
		return nil, fmt.Errorf("%s: %w", query, result.Err)
	}
	// The engine reuses the memory of a query that is closed.
	vector, err := result.Vector()
	return append(promql.Vector{}, vector...), err
}

func (d *database) Querier(_, _ int64) (storage.Querier, error) { return d, nil }

func (d *database) Select(
	_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher,
) storage.SeriesSet {
	var found []storage.Series
	for _, series := range d.series {
		if matches(series.Metric, matchers) {
			found = append(found, promql.NewStorageSeries(series))
		}
	}
	return &set{found, -1}
}

func matches(metric labels.Labels, matchers []*labels.Matcher) bool {
	for _, matcher := range matchers {
		if !matcher.Matches(metric.Get(matcher.Name)) {
			return false
		}
	}
	return true
}

func (*database) LabelValues(
	context.Context, string, *storage.LabelHints, ...*labels.Matcher,
) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (*database) LabelNames(
	context.Context, *storage.LabelHints, ...*labels.Matcher,
) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (*database) Close() error { return nil }

// set iterates over series.
type set struct {
	all   []storage.Series
	place int
}

func (s *set) Next() bool                      { s.place++; return s.place < len(s.all) }
func (s *set) At() storage.Series              { return s.all[s.place] }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

// read returns the series of a case, sorted by their labels.
func read(in input) ([]promql.Series, error) {
	var all []promql.Series
	for _, text := range in.Series {
		metric, values, err := parser.ParseSeriesDesc(text)
		if err != nil {
			return nil, fmt.Errorf("series %s: %w", text, err)
		}
		series := promql.Series{Metric: metric}
		for place, one := range values {
			if !one.Omitted {
				at := (in.Begin + int64(place)*minute) * 1000
				series.Floats = append(series.Floats, promql.FPoint{T: at, F: one.Value})
			}
		}
		all = append(all, series)
	}
	places := map[uint64]int{}
	sort.SliceStable(in.Pages, func(one, other int) bool { return in.Pages[one].At < in.Pages[other].At })
	before := map[uint64]map[uint64]bool{}
	for _, page := range in.Pages {
		at, here := page.At*1000, map[uint64]bool{}
		if err := scrape(page, func(metric labels.Labels, number float64) {
			key := metric.Hash()
			place, known := places[key]
			if !known {
				place = len(all)
				places[key] = place
				all = append(all, promql.Series{Metric: metric})
			}
			here[key] = true
			all[place].Floats = append(all[place].Floats, promql.FPoint{T: at, F: number})
		}); err != nil {
			return nil, err
		}
		// What a target no longer has is over at once, as in Prometheus.
		target := labels.FromMap(page.Labels).Hash()
		for key := range before[target] {
			if !here[key] {
				series := &all[places[key]]
				series.Floats = append(series.Floats, promql.FPoint{T: at, F: math.Float64frombits(value.StaleNaN)})
			}
		}
		before[target] = here
	}
	sort.Slice(all, func(one, other int) bool { return labels.Compare(all[one].Metric, all[other].Metric) < 0 })
	return all, nil
}

// scrape parses a page as Prometheus does. Labels of the target are added where the page does not have them
// (honor_labels).
func scrape(page page, add func(labels.Labels, float64)) error {
	if page.Text == "" {
		return nil
	}
	parse, err := textparse.New([]byte(page.Text), "application/openmetrics-text; version=1.0.0",
		labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return fmt.Errorf("parse a page: %w", err)
	}
	for {
		entry, err := parse.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("parse a page: %w", err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parse.Series()
		var metric labels.Labels
		parse.Labels(&metric)
		full := labels.NewBuilder(metric)
		for name, text := range page.Labels {
			if !metric.Has(name) {
				full.Set(name, text)
			}
		}
		add(full.Labels(), value)
	}
}
