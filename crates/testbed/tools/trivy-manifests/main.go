// Command trivy-manifests applies trivy's checks for Kubernetes to manifests and prints what fails: check, severity,
// lines, and what is wrong, with tabs between them.
//
// It is the part of trivy that looks at manifests. The whole of trivy takes ten times as long to build.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aquasecurity/trivy/pkg/iac/rego"
	"github.com/aquasecurity/trivy/pkg/iac/scanners/kubernetes"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s DIRECTORY\n", os.Args[0])
		os.Exit(2)
	}
	scanner := kubernetes.NewScanner(rego.WithEmbeddedPolicies(true), rego.WithEmbeddedLibraries(true))
	results, err := scanner.ScanFS(context.Background(), os.DirFS(os.Args[1]), ".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, result := range results.GetFailed() {
		rule := result.Rule()
		fmt.Printf("%s\t%s\t%s\t%s\n", rule.ID, result.Severity(), result.Range(), result.Description())
	}
	fmt.Fprintf(os.Stderr, "%d checks failed, %d passed\n", len(results.GetFailed()), len(results.GetPassed()))
}
