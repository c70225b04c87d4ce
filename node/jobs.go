package node

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Errors of jobs.
var (
	ErrJobPanic   = errors.New("job panicked")
	ErrJobReplace = errors.New("replaced by a newer job of the same name")
	ErrStopped    = errors.New("the node has stopped")
)

// JobEvent tells that a job has ended.
type JobEvent struct {
	Name     string
	Duration time.Duration
	Err      error  // nil: ended well
	Stack    string // of a panic
}

// Jobs runs named work. Starting a job cancels the running one of the same name
// and waits for its end; every job has a deadline; a panic becomes an error.
type Jobs struct {
	onEnd func(JobEvent)

	mu      sync.Mutex
	running map[string]*job
	stopped bool
	wg      sync.WaitGroup
}

type job struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// NewJobs returns an empty set. onEnd is called on the job's goroutine after it
// has ended; it must not block and not panic.
func NewJobs(onEnd func(JobEvent)) *Jobs {
	return &Jobs{onEnd: onEnd, running: make(map[string]*job)}
}

// Start runs fn as the job name, within the time limit. It returns at once;
// ErrStopped after Stop.
func (j *Jobs) Start(name string, limit time.Duration, fn func(context.Context) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		return ErrStopped
	}
	previous := j.running[name]
	if previous != nil {
		previous.cancel(ErrJobReplace)
	}
	base, cancel := context.WithCancelCause(context.Background())
	ctx, release := context.WithTimeout(base, limit)
	this := &job{cancel: cancel, done: make(chan struct{})}
	j.running[name] = this
	j.wg.Go(func() {
		defer release()
		defer cancel(nil)
		defer j.end(name, this)
		if previous != nil {
			<-previous.done
		}
		j.run(ctx, name, fn)
	})
	return nil
}

func (j *Jobs) end(name string, this *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running[name] == this {
		delete(j.running, name)
	}
	close(this.done)
}

func (j *Jobs) run(ctx context.Context, name string, fn func(context.Context) error) {
	start := time.Now()
	event := JobEvent{Name: name}
	func() {
		defer func() {
			if v := recover(); v != nil {
				event.Err, event.Stack = fmt.Errorf("%w: %v", ErrJobPanic, v), string(debug.Stack())
			}
		}()
		event.Err = fn(ctx)
	}()
	event.Duration = time.Since(start)
	j.onEnd(event)
}

// Cancel ends the job name, if it runs, for the given reason.
func (j *Jobs) Cancel(name string, reason error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if this := j.running[name]; this != nil {
		this.cancel(reason)
	}
}

// Running lists the names of running jobs, in no order.
func (j *Jobs) Running() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	names := make([]string, 0, len(j.running))
	for name := range j.running {
		names = append(names, name)
	}
	return names
}

// Stop cancels every job, waits for all of them and refuses new ones.
func (j *Jobs) Stop() {
	j.mu.Lock()
	j.stopped = true
	for _, this := range j.running {
		this.cancel(ErrStopped)
	}
	j.mu.Unlock()
	j.wg.Wait()
}
