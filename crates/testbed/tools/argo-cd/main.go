// Argo-cd tells what Argo CD makes of objects, by Argo CD's own code.
//
// Its first argument is the file of an argocd-cm ConfigMap in JSON. It reads objects in JSON from standard input, one
// after another, and answers each with a line:
//
//	argo-cd CONFIGMAP health       its health, such as Healthy
//	argo-cd CONFIGMAP actions      the names of the actions that can be run, in order, separated by spaces
//	argo-cd CONFIGMAP run ACTION   the merge patch that the action applies, in JSON
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	healthPrefix  = "resource.customizations.health."
	actionsPrefix = "resource.customizations.actions."
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "argo-cd:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: argo-cd CONFIGMAP health|actions|run [ACTION] < OBJECTS")
	}
	overrides, err := overrides(arguments[0])
	if err != nil {
		return err
	}
	vm := lua.VM{ResourceOverrides: overrides}
	var answer func(*unstructured.Unstructured) (string, error)
	switch command := arguments[1:]; {
	case command[0] == "health" && len(command) == 1:
		answer = func(object *unstructured.Unstructured) (string, error) { return judge(object, overrides) }
	case command[0] == "actions" && len(command) == 1:
		answer = func(object *unstructured.Unstructured) (string, error) { return actions(vm, object) }
	case command[0] == "run" && len(command) == 2:
		answer = func(object *unstructured.Unstructured) (string, error) { return act(vm, object, command[1]) }
	default:
		return fmt.Errorf("unknown command: %s", strings.Join(command, " "))
	}
	for objects := json.NewDecoder(os.Stdin); ; {
		object := &unstructured.Unstructured{}
		if err := objects.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an object: %w", err)
		}
		line, err := answer(object)
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		fmt.Println(line)
	}
}

func judge(object *unstructured.Unstructured, overrides lua.ResourceHealthOverrides) (string, error) {
	status, err := health.GetResourceHealth(object, overrides)
	if err != nil {
		return "", err
	}
	if status == nil {
		return "None", nil
	}
	return string(status.Status), nil
}

func actions(vm lua.VM, object *unstructured.Unstructured) (string, error) {
	scripts, err := vm.GetResourceActionDiscovery(object)
	if err != nil {
		return "", err
	}
	found, err := vm.ExecuteResourceActionDiscovery(object, scripts)
	if err != nil {
		return "", err
	}
	var names []string
	for _, action := range found {
		if !action.Disabled {
			names = append(names, action.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " "), nil
}

// act returns the patch that Argo CD sends: the difference between the object and what the script makes of it.
func act(vm lua.VM, object *unstructured.Unstructured, name string) (string, error) {
	action, err := vm.GetResourceAction(object, name)
	if err != nil {
		return "", err
	}
	impacted, err := vm.ExecuteResourceAction(object, action.ActionLua, nil)
	if err != nil {
		return "", err
	}
	if len(impacted) != 1 || impacted[0].K8SOperation != lua.PatchOperation {
		return "", errors.New("the action does more than to patch the object")
	}
	before, err := json.Marshal(object)
	if err != nil {
		return "", err
	}
	after, err := json.Marshal(impacted[0].UnstructuredObj)
	if err != nil {
		return "", err
	}
	patch, err := jsonpatch.CreateMergePatch(before, after)
	return string(patch), err
}

// overrides reads scripts by group/kind; in the ConfigMap the slash is an underscore.
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
		if name, found := strings.CutPrefix(key, healthPrefix); found {
			name = strings.Replace(name, "_", "/", 1)
			override := scripts[name]
			override.HealthLua = script
			scripts[name] = override
		} else if name, found := strings.CutPrefix(key, actionsPrefix); found {
			name = strings.Replace(name, "_", "/", 1)
			override := scripts[name]
			override.Actions = script
			scripts[name] = override
		}
	}
	return scripts, nil
}
