// peer is a plain operator for ProvisioningFlow, as an experienced Go programmer would write it in a day with
// controller-runtime. The bench measures it beside the operator of this repository, which shows how much of a result is
// due to the design and how much to the language.
//
// A reconcile lists the flows of the set before it creates one, polls each flow by its id, and writes the status if it
// has changed. There is no protection against a crash between a request and its record, no request budget and no
// comparison of the remote flow with the spec. It uses definitions of its own (crds.yaml), which validate nothing.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

type obj = map[string]any

// finalizer delays a deletion until the remote flow is deleted.
const finalizer = "industrydata.dev/remote"

// retryInterval is the time between two polls of a flow that is not ready.
const retryInterval = 2 * time.Second

// flowTypes are the members of a spec that contain the properties of the remote flow.
var flowTypes = []string{"administrativeUnit", "securityGroup", "classGroup", "user"}

// reconciler has the client of the cluster, and what it takes to call the service.
type reconciler struct {
	client.Client
	base, token string
	http        *http.Client
	poll        time.Duration
}

// call sends a request and returns the parsed response and its status code.
func (r *reconciler) call(ctx context.Context, method, url string, in any) (obj, int, error) {
	var body io.Reader
	if in != nil {
		b, _ := json.Marshal(in)
		body = bytes.NewReader(b)
	}
	q, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, 0, err
	}
	q.Header.Set("Authorization", "Bearer "+r.token)
	if in != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	a, err := r.http.Do(q)
	if err != nil {
		return nil, 0, err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return nil, a.StatusCode, err
	}
	var out obj
	if len(b) > 0 {
		err = json.Unmarshal(b, &out)
	}
	return out, a.StatusCode, err
}

// Reconcile creates, polls or deletes the remote flow of one resource.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	if err := r.Get(ctx, req.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	spec := o.Object["spec"].(obj)
	flows := fmt.Sprintf("%s/beta/external/industryData/outboundProvisioningFlowSets/%s/provisioningFlows", r.base, spec["flowSetId"])
	status, _ := o.Object["status"].(obj)
	id, _ := status["id"].(string)
	if !o.GetDeletionTimestamp().IsZero() {
		if id != "" {
			if _, code, err := r.call(ctx, "DELETE", flows+"/"+id, nil); err != nil || (code != 204 && code != 404) {
				return ctrl.Result{}, fmt.Errorf("delete: %d %v", code, err)
			}
		}
		controllerutil.RemoveFinalizer(o, finalizer)
		return ctrl.Result{}, r.Update(ctx, o)
	}
	if controllerutil.AddFinalizer(o, finalizer) {
		if err := r.Update(ctx, o); err != nil {
			return ctrl.Result{}, err
		}
	}
	typ, body := "", obj{}
	for _, t := range flowTypes {
		if b, ok := spec[t].(obj); ok {
			typ, body = "#microsoft.graph.industryData."+t+"ProvisioningFlow", b
		}
	}
	var f obj
	if id == "" {
		l, code, err := r.call(ctx, "GET", flows, nil)
		if err != nil || code != 200 {
			return ctrl.Result{}, fmt.Errorf("list: %d %v", code, err)
		}
		for _, x := range l["value"].([]any) {
			if x.(obj)["@odata.type"] == typ {
				f = x.(obj)
			}
		}
		if f == nil {
			in := obj{"@odata.type": typ}
			for k, v := range body {
				in[k] = v
			}
			if f, code, err = r.call(ctx, "POST", flows, in); err != nil || code != 201 {
				return ctrl.Result{}, fmt.Errorf("create: %d %v", code, err)
			}
		}
	} else {
		var code int
		var err error
		if f, code, err = r.call(ctx, "GET", flows+"/"+id, nil); err != nil || code != 200 {
			return ctrl.Result{}, fmt.Errorf("get: %d %v", code, err)
		}
	}
	ready, again := "False", retryInterval
	if f["readinessStatus"] == "ready" {
		ready, again = "True", r.poll
	}
	next := obj{"observedGeneration": o.GetGeneration(), "id": f["id"], "createdDateTime": f["createdDateTime"], "lastModifiedDateTime": f["lastModifiedDateTime"], "readinessStatus": f["readinessStatus"],
		"conditions": []any{obj{"type": "Ready", "status": ready, "reason": "Polled", "message": "", "lastTransitionTime": f["lastModifiedDateTime"]}}}
	if !reflect.DeepEqual(status, next) {
		o.Object["status"] = next
		if err := r.Status().Update(ctx, o); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

var gvk = schema.GroupVersionKind{Group: "industrydata.dev", Version: "v1alpha1", Kind: "ProvisioningFlow"}

func main() {
	base := flag.String("graph-endpoint", "http://127.0.0.1:18080", "URL of the service")
	workers := flag.Int("workers", 10, "number of resources that are reconciled at the same time")
	poll := flag.Duration("poll", time.Minute, "time between two polls of a flow that is ready")
	token := flag.String("token", "simulator-token", "bearer token")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	m, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{Metrics: server.Options{BindAddress: "0"}, Client: client.Options{Cache: &client.CacheOptions{Unstructured: true}}})
	if err != nil {
		panic(err)
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	r := &reconciler{m.GetClient(), *base, *token, &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, *poll}
	if err := ctrl.NewControllerManagedBy(m).For(o).WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).Complete(r); err != nil {
		panic(err)
	}
	if err := m.Start(ctrl.SetupSignalHandler()); err != nil {
		panic(err)
	}
}
