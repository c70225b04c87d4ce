package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/meshmpc/mpcd/node"
)

// reportTime is how long a report may wait for a supervisor that does not read.
const reportTime = 100 * time.Millisecond

// worker is the child's side of a supervised daemon.
type worker struct {
	workerStart
	supervisor int // process id

	orders  *bufio.Scanner
	mu      sync.Mutex
	reports *os.File
}

// inheritedWorker returns the worker that this process is, or nil if nobody
// supervises it.
func inheritedWorker() (*worker, error) {
	value := os.Getenv(workerVariable)
	if value == "" {
		return nil, nil
	}
	pid, err := strconv.Atoi(value)
	if err != nil || pid != os.Getppid() {
		return nil, refusef("%s is set, and process %q has not started this one: unset it", workerVariable, value)
	}
	for _, fd := range []int{ordersFD, reportsFD} {
		syscall.CloseOnExec(fd)
	}
	if err := syscall.SetNonblock(reportsFD, true); err != nil { // so that writes may have deadlines
		return nil, refusef("the supervisor's pipe: %w", err)
	}
	return newWorker(pid, os.NewFile(ordersFD, "orders"), os.NewFile(reportsFD, "reports"))
}

// newWorker reads the first order.
func newWorker(supervisor int, orders io.Reader, reports *os.File) (*worker, error) {
	w := &worker{supervisor: supervisor, orders: bufio.NewScanner(orders), reports: reports}
	w.orders.Buffer(nil, maxOrder)
	first, ok := w.next()
	if !ok || first.Start == nil {
		return nil, refusef("the supervisor, process %d, said nothing", supervisor)
	}
	w.workerStart = *first.Start
	return w, nil
}

// maxOrder bounds an order, in bytes.
const maxOrder = 16 << 20

// next waits for an order; false: there will be none.
func (w *worker) next() (order, bool) {
	for w.orders.Scan() {
		var o order
		if json.Unmarshal(w.orders.Bytes(), &o) == nil {
			return o, true
		}
	}
	return order{}, false
}

// obey cancels the returned context when the supervisor wants the worker to stop,
// and calls orphaned when the supervisor is gone, from a goroutine that ends with
// it.
func (w *worker) obey(ctx context.Context, orphaned func()) context.Context {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		for {
			o, ok := w.next()
			if !ok {
				orphaned()
				return
			}
			if o.Stop {
				stop()
			}
		}
	}()
	return ctx
}

// report tells the supervisor something. It goes into a pipe and costs
// microseconds; a supervisor that was stopped by a signal must not stop the worker.
func (w *worker) report(r report) {
	line, err := json.Marshal(r)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if err = w.reports.SetWriteDeadline(time.Now().Add(reportTime)); err == nil {
			_, err = w.reports.Write(append(line, '\n'))
		}
	}
	if err != nil {
		log.Warnw("the supervisor was not told", "error", err)
	}
}

// ready says that the worker serves.
func (w *worker) ready(listen []string) { w.report(report{Ready: &workerReady{listen}}) }

// noListen says that the worker could not listen where it was told: its settings say
// where the next one may.
func (w *worker) noListen() { w.report(report{NoListen: true}) }

// Began implements node.SessionWatch.
func (w *worker) Began(s node.SessionRef) { w.report(report{Began: &s}) }

// Ended implements node.SessionWatch.
func (w *worker) Ended(s node.SessionRef) { w.report(report{Ended: &s}) }

// end says that the worker is about to end with err.
func (w *worker) end(err error) error {
	code := exitCode(err)
	w.report(report{Exit: &code})
	return err
}
