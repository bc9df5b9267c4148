// Grafana-dashboard compares dashboards with Grafana's schema, by Grafana's own library.
//
// It takes dashboards in JSON on standard input, one after another, and fails if one has a member that the schema does
// not know, lacks one that it demands, or has a value that it does not allow.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "grafana-dashboard:", err)
		os.Exit(1)
	}
}

func run() error {
	plugins.RegisterDefaultPlugins()
	for decoder := json.NewDecoder(os.Stdin); ; {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a dashboard: %w", err)
		}
		var board dashboard.Dashboard
		// The library wraps what it finds in a panel even if it finds nothing.
		if err := board.UnmarshalJSONStrict(raw); err != nil && strings.TrimSpace(err.Error()) != "" {
			return fmt.Errorf("compare a dashboard with the schema: %w", err)
		}
		if err := board.Validate(); err != nil {
			return fmt.Errorf("validate %s: %w", *board.Title, err)
		}
		fmt.Println(*board.Title)
	}
}
