// The contender on Go's controller-runtime; ../__init__.py tells the protocol that all contenders follow.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	mode := flag.String("mode", "", "sync, reconcile or queue")
	objects := flag.Int("objects", 0, "keys of the queue")
	workers := flag.Int("workers", 1, "reconciles at once")
	flag.Parse()
	go endWithStandardInput()
	ctrl.SetLogger(logr.Discard())
	switch *mode {
	case "sync":
		runSync(newManager())
	case "reconcile":
		runReconcile(newManager(), *workers)
	case "queue":
		measureQueue(*objects, *workers)
	default:
		panic("there is no mode " + *mode)
	}
	select {}
}

func endWithStandardInput() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func report(line map[string]any) {
	text := must(json.Marshal(line))
	must(os.Stdout.Write(append(text, '\n')))
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func newManager() manager.Manager {
	config := must(ctrl.GetConfig()) // by the flag --kubeconfig, which controller-runtime declares
	config.QPS = -1
	return must(ctrl.NewManager(config, ctrl.Options{Scheme: newScheme(), Metrics: server.Options{BindAddress: "0"}}))
}

func runSync(mgr manager.Manager) {
	ctx := context.Background()
	must(mgr.GetCache().GetInformer(ctx, &Widget{}))
	go func() { check(mgr.Start(ctx)) }()
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		panic("the cache did not sync")
	}
	var widgets WidgetList
	check(mgr.GetCache().List(ctx, &widgets, client.UnsafeDisableDeepCopy))
	report(map[string]any{"phase": "synced", "objects": len(widgets.Items)})
}

type reconciler struct {
	client client.Client
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var widget Widget
	if err := r.client.Get(ctx, request.NamespacedName, &widget); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if widget.Status.Doubled == 2*widget.Spec.Number {
		return ctrl.Result{}, nil
	}
	patch := client.MergeFromWithOptions(widget.DeepCopy(), client.MergeFromWithOptimisticLock{})
	widget.Status.Doubled = 2 * widget.Spec.Number
	widget.Status.Writes++
	return ctrl.Result{}, r.client.Status().Patch(ctx, &widget, patch)
}

func runReconcile(mgr manager.Manager, workers int) {
	options := controller.Options{MaxConcurrentReconciles: workers}
	worker := &reconciler{client: mgr.GetClient()}
	check(ctrl.NewControllerManagedBy(mgr).For(&Widget{}).WithOptions(options).Complete(worker))
	check(mgr.Start(context.Background()))
}
