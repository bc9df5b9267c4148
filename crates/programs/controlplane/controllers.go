package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
)

// The settings of kube-controller-manager where its flags are not given.
const (
	resync              = 12 * time.Hour
	requestsPerSecond   = 20
	burst               = 30
	discoveryPeriod     = 30 * time.Second
	namespacePeriod     = 5 * time.Minute
	aggregationWorkers  = 5
	collectionWorkers   = 20
	namespaceWorkers    = 10
	controllerNamespace = "kube-system"
)

// controllers are those of kube-controller-manager that a cluster without nodes needs. Its own main links all that there
// are, with what they need of volumes, cloud providers, the scheduler and the kubelet.
var controllers = map[string]func(context.Context, *manager) (func(), error){
	"clusterrole-aggregation-controller": newRoleAggregation,
	"garbage-collector-controller":       newGarbageCollector,
	"namespace-controller":               newNamespaces,
}

// manager is what controllers share.
type manager struct {
	// own has the clients of kube-controller-manager itself, clients those of each controller's service account.
	own, clients clientbuilder.ControllerClientBuilder
	informers    informers.SharedInformerFactory
	metadata     metadatainformer.SharedInformerFactory
	started      chan struct{}
}

// runControllers is kube-controller-manager with the controllers above. It takes the flags that the real one needs to do
// the same.
func runControllers() int {
	flags := flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "the cluster, and the user system:kube-controller-manager")
	names := flags.String("controllers", "", "what to run: "+strings.Join(slices.Sorted(maps.Keys(controllers)), ","))
	for name, value := range map[string]string{
		"leader-elect":                     "false",
		"secure-port":                      "0",
		"service-account-private-key-file": "never read, as no token is made",
		"use-service-account-credentials":  "true",
	} {
		flags.String(name, value, "taken for "+value)
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := manage(genericapiserver.SetupSignalContext(), *kubeconfig, strings.Split(*names, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func manage(ctx context.Context, kubeconfig string, names []string) error {
	manager, err := newManager(kubeconfig)
	if err != nil {
		return err
	}
	var run []func()
	for _, name := range names {
		build := controllers[name]
		if build == nil {
			return fmt.Errorf("there is no %q among the controllers", name)
		}
		controller, err := build(ctx, manager)
		if err != nil {
			return fmt.Errorf("failed to build %s: %w", name, err)
		}
		run = append(run, controller)
	}
	manager.informers.Start(ctx.Done())
	manager.metadata.Start(ctx.Done())
	close(manager.started)
	var group wait.Group
	for _, controller := range run {
		group.Start(controller)
	}
	group.Wait()
	return nil
}

func newManager(kubeconfig string) (*manager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.QPS, config.Burst = requestsPerSecond, burst
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	own := rest.AnonymousClientConfig(config)
	return &manager{
		own:       clientbuilder.SimpleControllerClientBuilder{ClientConfig: config},
		clients:   clientbuilder.NewDynamicClientBuilder(own, client.CoreV1(), controllerNamespace),
		informers: informers.NewSharedInformerFactory(client, resync),
		metadata:  metadatainformer.NewSharedInformerFactory(metadataClient, resync),
		started:   make(chan struct{}),
	}, nil
}

func newRoleAggregation(ctx context.Context, manager *manager) (func(), error) {
	client, err := manager.clients.Client("clusterrole-aggregation-controller")
	if err != nil {
		return nil, err
	}
	roles := manager.informers.Rbac().V1().ClusterRoles()
	controller := clusterroleaggregation.NewClusterRoleAggregation(roles, client.RbacV1())
	return func() { controller.Run(ctx, aggregationWorkers) }, nil
}

func newGarbageCollector(ctx context.Context, manager *manager) (func(), error) {
	const name = "generic-garbage-collector"
	config, err := manager.clients.Config(name)
	if err != nil {
		return nil, err
	}
	client, err := manager.clients.Client(name)
	if err != nil {
		return nil, err
	}
	// Each deletion takes two requests.
	config.QPS *= 2
	deletions, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	graph, err := manager.own.Config("metadata-informers")
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(graph)
	if err != nil {
		return nil, err
	}
	// Not the one below: the collector makes its own forget what it has read.
	cached, err := manager.own.DiscoveryClient("controller-discovery")
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(cached))
	go wait.Until(mapper.Reset, discoveryPeriod, ctx.Done())
	collector, err := garbagecollector.NewComposedGarbageCollector(ctx, client, deletions, mapper,
		garbagecollector.NewDependencyGraphBuilder(ctx, metadataClient, mapper, garbagecollector.DefaultIgnoredResources(),
			informerfactory.NewInformerFactory(manager.informers, manager.metadata), manager.started))
	if err != nil {
		return nil, err
	}
	discovery, err := manager.clients.DiscoveryClient(name)
	if err != nil {
		return nil, err
	}
	return func() {
		var group wait.Group
		group.Start(func() { collector.Run(ctx, collectionWorkers, discoveryPeriod) })
		// Kinds that are installed later are collected as well.
		group.Start(func() { collector.Sync(ctx, discovery, discoveryPeriod) })
		group.Wait()
	}, nil
}

func newNamespaces(ctx context.Context, manager *manager) (func(), error) {
	config, err := manager.clients.Config("namespace-controller")
	if err != nil {
		return nil, err
	}
	// It lists and deletes all kinds of objects in a namespace.
	config.QPS *= 20
	config.Burst *= 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	controller := namespace.NewNamespaceController(ctx, client, metadataClient,
		client.Discovery().ServerPreferredNamespacedResources, manager.informers.Core().V1().Namespaces(),
		namespacePeriod, corev1.FinalizerKubernetes)
	return func() { controller.Run(ctx, namespaceWorkers) }, nil
}
