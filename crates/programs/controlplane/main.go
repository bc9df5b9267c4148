// Command controlplane holds the programs of a Kubernetes control plane, with kubectl and helm,
// in one binary: the first argument chooses the program, the others are its own.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"go.etcd.io/etcd/server/v3/etcdmain"
	helm "helm.sh/helm/v4/pkg/cmd"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics of the controller manager
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// tiedToStdin names the variable that makes a program end as soon as its standard input does.
//
// The kernel closes a pipe whatever becomes of the process that holds its other end, so a test
// that is killed takes its control plane with it.
const tiedToStdin = "CONTROLPLANE_TIED_TO_STDIN"

// programs returns an exit code each, but for etcd, which exits by itself.
var programs = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"helm":                    runHelm,
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": runControllers,
	"kubectl":                 func() int { return cli.Run(kubectl.NewDefaultKubectlCommand()) },
}

func main() {
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		names := strings.Join(slices.Sorted(maps.Keys(programs)), "|")
		fmt.Fprintf(os.Stderr, "usage: %s %s [arguments]\n", os.Args[0], names)
		os.Exit(2)
	}
	if os.Getenv(tiedToStdin) != "" {
		go exitWithStdin()
	}
	// Each program reads its arguments from os.Args and expects its own name first.
	os.Args = os.Args[1:]
	os.Exit(programs[os.Args[0]]())
}

func exitWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func runHelm() int {
	command, err := helm.NewRootCmd(os.Stdout, os.Args[1:], helm.SetupLogging)
	if err == nil {
		err = command.Execute()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
