// Argo-notifications tells which notifications Argo CD would send about Applications, by its own engine.
//
// Its argument is the file of an argocd-notifications-cm ConfigMap in JSON. It reads Applications in JSON from standard
// input, one after another, and answers each with a line of JSON: the notifications of all triggers that hold, in the
// order of their names. An expression or template that fails is an error; Argo CD itself only logs it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/argoproj/notifications-engine/pkg/api"
	"github.com/argoproj/notifications-engine/pkg/services"
	"github.com/argoproj/notifications-engine/pkg/templates"
	"github.com/argoproj/notifications-engine/pkg/triggers"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

type notification struct {
	Trigger string `json:"trigger"`
	services.Notification
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "argo-notifications:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: argo-notifications CONFIGMAP < APPLICATIONS")
	}
	engine, err := load(arguments[0])
	if err != nil {
		return err
	}
	logged := &failures{}
	logrus.AddHook(logged)
	for applications, lines := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout); ; {
		var application map[string]any
		if err := applications.Decode(&application); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an Application: %w", err)
		}
		found, err := engine.notifications(application)
		if err := errors.Join(err, logged.err); err != nil {
			return err
		}
		if err := lines.Encode(found); err != nil {
			return err
		}
	}
}

type engine struct {
	names     []string
	triggers  triggers.Service
	templates templates.Service
	context   map[string]string
}

func load(file string) (*engine, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var configMap corev1.ConfigMap
	if err := json.Unmarshal(text, &configMap); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	config, err := api.ParseConfig(&configMap, &corev1.Secret{})
	if err != nil {
		return nil, err
	}
	engine := &engine{names: slices.Sorted(maps.Keys(config.Triggers)), context: map[string]string{}}
	if engine.triggers, err = triggers.NewService(config.Triggers); err != nil {
		return nil, err
	}
	if engine.templates, err = templates.NewService(config.Templates); err != nil {
		return nil, err
	}
	return engine, yaml.Unmarshal([]byte(configMap.Data["context"]), &engine.context)
}

func (e *engine) notifications(application map[string]any) ([]notification, error) {
	found := []notification{}
	variables := map[string]any{
		"app": application, "context": e.context, "serviceType": "email", "recipient": "schools@example.com",
	}
	for _, name := range e.names {
		results, err := e.triggers.Run(name, variables)
		if err != nil {
			return nil, err
		}
		for _, result := range results {
			if !result.Triggered {
				continue
			}
			formatted, err := e.templates.FormatNotification(variables, result.Templates...)
			if err != nil {
				return nil, fmt.Errorf("trigger %s: %w", name, err)
			}
			found = append(found, notification{name, *formatted})
		}
	}
	return found, nil
}

// failures remembers what the engine only logs.
type failures struct{ err error }

func (*failures) Levels() []logrus.Level { return []logrus.Level{logrus.ErrorLevel} }

func (f *failures) Fire(entry *logrus.Entry) error {
	f.err = errors.Join(f.err, errors.New(entry.Message))
	return nil
}
