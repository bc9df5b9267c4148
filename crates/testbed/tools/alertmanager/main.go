// Alertmanager tells where alerts go, by Alertmanager's own code.
//
// Its argument is a configuration, which it parses as strictly as Alertmanager does. It takes a list of alerts, each as
// its labels, in JSON on standard input. They are all active at the same time. It answers in JSON, for each in the same
// order, which receivers it reaches, what it is grouped by there, and whether another alert inhibits it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

type destination struct {
	Receiver string   `json:"receiver"`
	GroupBy  []string `json:"groupBy"`
}

type answer struct {
	Destinations []destination `json:"destinations"`
	Inhibited    bool          `json:"inhibited"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "alertmanager:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: alertmanager CONFIGURATION < ALERTS")
	}
	configuration, err := config.LoadFile(arguments[0])
	if err != nil {
		return fmt.Errorf("load %s: %w", arguments[0], err)
	}
	var alerts []model.LabelSet
	if err := json.NewDecoder(os.Stdin).Decode(&alerts); err != nil {
		return fmt.Errorf("read the alerts: %w", err)
	}
	inhibitor, err := inhibitor(configuration.InhibitRules, alerts)
	if err != nil {
		return err
	}
	defer inhibitor.Stop()
	root := dispatch.NewRoute(configuration.Route, nil)
	answers := make([]answer, 0, len(alerts))
	for _, labels := range alerts {
		found := answer{Inhibited: inhibitor.Mutes(context.Background(), labels)}
		for _, route := range root.Match(labels) {
			found.Destinations = append(found.Destinations, destination{route.RouteOpts.Receiver, names(route)})
		}
		answers = append(answers, found)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func names(route *dispatch.Route) []string {
	names := []string{}
	for name := range route.RouteOpts.GroupBy {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

// inhibitor returns one that knows the alerts.
func inhibitor(rules []config.InhibitRule, alerts []model.LabelSet) (*inhibit.Inhibitor, error) {
	now, ctx := time.Now(), context.Background()
	marker := types.NewMarker(prometheus.NewRegistry())
	known, err := mem.NewAlerts(ctx, marker, time.Hour, 0, nil, slog.Default(), nil, nil)
	if err != nil {
		return nil, err
	}
	for _, labels := range alerts {
		alert := model.Alert{Labels: labels, StartsAt: now.Add(-time.Minute), EndsAt: now.Add(time.Hour)}
		if err := alert.Validate(); err != nil {
			return nil, fmt.Errorf("alert %s: %w", labels, err)
		}
		if err := known.Put(ctx, &types.Alert{Alert: alert, UpdatedAt: now}); err != nil {
			return nil, err
		}
	}
	inhibitor := inhibit.NewInhibitor(known, rules, marker, slog.Default())
	go inhibitor.Run()
	inhibitor.WaitForLoading()
	return inhibitor, nil
}
