// Promql evaluates alerts and queries with Prometheus's own parser, engine and templates.
//
// It takes a case in JSON on standard input: rules, queries, and what there is to query, as series in the notation of
// promtool or as pages of metrics. It answers in JSON which alerts are pending and which are firing at the end, and how
// many values each query returns then. Alerts are evaluated at each step, and an alert fires once its expression has
// returned the same labels for as long as the rule demands.
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
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/util/annotations"
)

// step is the interval between the values of series and between evaluations, in seconds.
const step = 60

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

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
	// Begin and Until are times in seconds since 1970.
	Begin int64
	Until int64
}

type alert struct {
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type output struct {
	Pending []alert        `json:"pending"`
	Firing  []alert        `json:"firing"`
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
	data, err := read(in)
	if err != nil {
		return err
	}
	database := &database{data, promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Minute})}
	out := output{Pending: []alert{}, Firing: []alert{}, Results: map[string]int{}}
	for _, query := range in.Queries {
		found, err := database.ask(query, in.Until)
		if err != nil {
			return err
		}
		out.Results[query] = 0
		for _, sample := range found {
			// A quantile of nothing is no number.
			if !math.IsNaN(sample.F) {
				out.Results[query]++
			}
		}
	}
	for _, rule := range in.Rules {
		pending, firing, err := database.evaluate(rule, in.Begin, in.Until)
		if err != nil {
			return fmt.Errorf("alert %s: %w", rule.Alert, err)
		}
		out.Pending = append(out.Pending, pending...)
		out.Firing = append(out.Firing, firing...)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// evaluate returns the alerts of a rule at the end. An alert that fires is also pending.
func (d *database) evaluate(rule rule, begin, until int64) (pending, firing []alert, err error) {
	var hold model.Duration
	if rule.For != "" {
		if hold, err = model.ParseDuration(rule.For); err != nil {
			return nil, nil, err
		}
	}
	since := map[uint64]int64{}
	for now := begin; ; now = min(now+step, until) {
		found, err := d.ask(rule.Expr, now)
		if err != nil {
			return nil, nil, err
		}
		active := map[uint64]int64{}
		for _, sample := range found {
			key := sample.Metric.Hash()
			active[key] = now
			if first, known := since[key]; known {
				active[key] = first
			}
			if now < until {
				continue
			}
			alert, err := d.expand(rule, sample, now)
			if err != nil {
				return nil, nil, err
			}
			pending = append(pending, alert)
			if time.Duration(now-active[key])*time.Second >= time.Duration(hold) {
				firing = append(firing, alert)
			}
		}
		if since = active; now >= until {
			return pending, firing, nil
		}
	}
}

// expand fills the templates of an alert.
func (d *database) expand(rule rule, sample promql.Sample, now int64) (alert, error) {
	const variables = "{{$labels := .Labels}}{{$value := .Value}}"
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
	return alert{rule.Alert, given, notes}, err
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
		for place, value := range values {
			if !value.Omitted {
				at := (in.Begin + int64(place)*step) * 1000
				series.Floats = append(series.Floats, promql.FPoint{T: at, F: value.Value})
			}
		}
		all = append(all, series)
	}
	places := map[uint64]int{}
	for _, page := range in.Pages {
		if err := scrape(page, func(metric labels.Labels, value float64) {
			place, known := places[metric.Hash()]
			if !known {
				place = len(all)
				places[metric.Hash()] = place
				all = append(all, promql.Series{Metric: metric})
			}
			all[place].Floats = append(all[place].Floats, promql.FPoint{T: page.At * 1000, F: value})
		}); err != nil {
			return nil, err
		}
	}
	sort.Slice(all, func(one, other int) bool { return labels.Compare(all[one].Metric, all[other].Metric) < 0 })
	return all, nil
}

// scrape parses a page as Prometheus does. Labels of the target are added where the page does not have them
// (honor_labels).
func scrape(page page, add func(labels.Labels, float64)) error {
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
