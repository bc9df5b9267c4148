// Argo-health tells how healthy Argo CD takes objects to be, by Argo CD's own code.
//
// It takes the file of an argocd-cm ConfigMap in JSON as its argument and objects in JSON on standard input, one after
// another, and answers each with a line: a status such as Healthy.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const prefix = "resource.customizations.health."

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "argo-health:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: argo-health CONFIGMAP < OBJECTS")
	}
	overrides, err := overrides(os.Args[1])
	if err != nil {
		return err
	}
	for objects := json.NewDecoder(os.Stdin); ; {
		object := &unstructured.Unstructured{}
		if err := objects.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an object: %w", err)
		}
		status, err := health.GetResourceHealth(object, overrides)
		if err != nil {
			return fmt.Errorf("judge %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if status == nil {
			status = &health.HealthStatus{Status: "None"}
		}
		fmt.Println(status.Status)
	}
}

// overrides reads health scripts by group/kind; in the ConfigMap the slash is an underscore.
func overrides(file string) (lua.ResourceHealthOverrides, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var config struct{ Data map[string]string }
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	scripts := lua.ResourceHealthOverrides{}
	for key, script := range config.Data {
		if name, found := strings.CutPrefix(key, prefix); found {
			scripts[strings.Replace(name, "_", "/", 1)] = v1alpha1.ResourceOverride{HealthLua: script}
		}
	}
	return scripts, nil
}
