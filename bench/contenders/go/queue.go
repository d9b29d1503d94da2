package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const duplicates = 10

type queue = priorityqueue.PriorityQueue[reconcile.Request]

// measureQueue passes keys through a queue to workers, in the ways that ../queue_load.py does it too.
func measureQueue(count, workers int) {
	keys := make([]reconcile.Request, count)
	for i := range keys {
		keys[i].NamespacedName = types.NamespacedName{Namespace: "default", Name: fmt.Sprintf("widget-%06d", i)}
	}
	measure("unique", keys, workers, func(q queue) int {
		for _, key := range keys {
			q.AddWithOpts(priorityqueue.AddOpts{}, key)
		}
		return count
	})
	measure("duplicated", keys, workers, func(q queue) int {
		for _, key := range keys {
			for range duplicates {
				q.AddWithOpts(priorityqueue.AddOpts{}, key)
			}
		}
		return count * duplicates
	})
	measure("rate-limited", keys, workers, func(q queue) int {
		for _, key := range keys {
			q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, key)
		}
		return count
	})
}

// measure reports operations (adds, gets, dones) and the seconds until each key was handed out and nothing is left.
func measure(name string, keys []reconcile.Request, workers int, fill func(queue) int) {
	number := make(map[reconcile.Request]int, len(keys))
	for i, key := range keys {
		number[key] = i
	}
	taken := make([]atomic.Int32, len(keys))
	q := priorityqueue.New[reconcile.Request](name)
	var seen, ended sync.WaitGroup
	seen.Add(len(keys))
	work := func() {
		for {
			key, _, shutdown := q.GetWithPriority()
			if shutdown {
				return
			}
			q.Forget(key)
			q.Done(key)
			if taken[number[key]].Add(1) == 1 {
				seen.Done()
			}
		}
	}
	begin := time.Now()
	for range workers {
		ended.Go(work)
	}
	adds := fill(q)
	seen.Wait()
	for q.Len() > 0 {
		time.Sleep(100 * time.Microsecond)
	}
	seconds := time.Since(begin).Seconds()
	q.ShutDown()
	ended.Wait()
	gets, most := 0, 0
	for i := range taken {
		times := int(taken[i].Load())
		gets, most = gets+times, max(most, times)
	}
	report(map[string]any{
		"phase": name, "operations": adds + 2*gets, "seconds": seconds, "gets": gets, "most": most,
	})
}
