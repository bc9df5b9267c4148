// Otlp-collector receives traces with the receiver of the OpenTelemetry Collector, configured as in the Collector's own
// configuration, and writes each batch to standard output as a line of JSON in the format of OTLP.
//
// It takes the address to listen on (127.0.0.1:4318), and ends when its standard input does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "otlp-collector:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) != 2 {
		return errors.New("expected an address, such as 127.0.0.1:4318")
	}
	traces, err := receive(ctx, os.Args[1])
	if err != nil {
		return err
	}
	if err := traces.Start(ctx, componenttest.NewNopHost()); err != nil {
		return fmt.Errorf("start the receiver: %w", err)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return fmt.Errorf("wait for the end: %w", err)
	}
	return traces.Shutdown(ctx)
}

func receive(ctx context.Context, address string) (receiver.Traces, error) {
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	given := confmap.NewFromStringMap(map[string]any{
		"protocols": map[string]any{"http": map[string]any{"endpoint": address}},
	})
	if err := given.Unmarshal(config); err != nil {
		return nil, fmt.Errorf("configure the receiver: %w", err)
	}
	next, err := consumer.NewTraces(write())
	if err != nil {
		return nil, err
	}
	settings := receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
		BuildInfo:         component.NewDefaultBuildInfo(),
	}
	return factory.CreateTraces(ctx, settings, config, next)
}

// write returns a consumer that writes one batch after the other.
func write() consumer.ConsumeTracesFunc {
	var lines sync.Mutex
	return func(_ context.Context, batch ptrace.Traces) error {
		text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(batch)
		if err != nil {
			return err
		}
		lines.Lock()
		defer lines.Unlock()
		_, err = fmt.Printf("%s\n", text)
		return err
	}
}
