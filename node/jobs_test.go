package node

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestStartingAJobCancelsItsNamesake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan JobEvent, 2)
		jobs := NewJobs(func(e JobEvent) { ends <- e })
		order := make(chan string, 3)
		wait := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				order <- "start " + name
				<-ctx.Done()
				order <- "end " + name
				return context.Cause(ctx)
			}
		}
		mustStart(t, jobs, "refill", time.Hour, wait("first"))
		synctest.Wait()
		mustStart(t, jobs, "refill", time.Hour, wait("second"))
		if e := <-ends; !errors.Is(e.Err, ErrJobReplace) {
			t.Errorf("the first job ended with %v, want %v", e.Err, ErrJobReplace)
		}
		for _, want := range []string{"start first", "end first", "start second"} {
			if got := <-order; got != want {
				t.Errorf("got %q, want %q: two jobs of one name overlap", got, want)
			}
		}
		jobs.Stop()
		if e := <-ends; !errors.Is(e.Err, ErrStopped) {
			t.Errorf("the second job ended with %v, want %v", e.Err, ErrStopped)
		}
		if err := jobs.Start("late", time.Second, wait("late")); !errors.Is(err, ErrStopped) {
			t.Errorf("a job started after Stop: %v", err)
		}
	})
}

func TestAJobEndsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan JobEvent, 1)
		jobs := NewJobs(func(e JobEvent) { ends <- e })
		mustStart(t, jobs, "slow", 3*time.Second, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		e := <-ends
		if !errors.Is(e.Err, context.DeadlineExceeded) || e.Duration != 3*time.Second {
			t.Errorf("ended after %v with %v, want 3s and %v", e.Duration, e.Err, context.DeadlineExceeded)
		}
		jobs.Stop()
	})
}

func TestAPanicInAJobBecomesAnErrorEvent(t *testing.T) {
	ends := make(chan JobEvent, 1)
	jobs := NewJobs(func(e JobEvent) { ends <- e })
	mustStart(t, jobs, "bad", time.Minute, func(context.Context) error { panic("no such round") })
	e := <-ends
	if !errors.Is(e.Err, ErrJobPanic) || e.Stack == "" {
		t.Errorf("got %v with stack %q, want %v with a stack", e.Err, e.Stack, ErrJobPanic)
	}
	jobs.Stop()
	if names := jobs.Running(); len(names) != 0 {
		t.Errorf("still running after Stop: %v", names)
	}
}

func mustStart(t *testing.T, j *Jobs, name string, limit time.Duration, fn func(context.Context) error) {
	t.Helper()
	if err := j.Start(name, limit, fn); err != nil {
		t.Fatal(err)
	}
}
