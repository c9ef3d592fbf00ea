// Go: os/exec and os.Process, which are built on pidfds from Go 1.23 on.
//
// A wait blocks a goroutine in waitid(2), and thereby a thread.
//
// A program `MEASURE HELPERS NUMBER…` that prints a line of JSON, as peers/support.ts has it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type samples map[string][]float64

const notTaken = 64

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func microseconds(begin time.Time) float64 {
	return float64(time.Since(begin).Nanoseconds()) / 1e3
}

// hold starts the helper, and sends on the channel when it has ended.
func hold(helpers string, args ...string) (*exec.Cmd, chan struct{}) {
	child := exec.Command(helpers+"/hold", args...)
	must(child.Start())
	ended := make(chan struct{}, 1)
	go func() {
		ignoreExit(child.Wait())
		ended <- struct{}{}
	}()
	return child, ended
}

func ignoreExit(err error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		must(err)
	}
}

func call(helpers string, numbers []int) samples {
	calls, batches := numbers[0], numbers[1]
	child, ended := hold(helpers)
	none := syscall.Signal(0)
	all := []struct {
		name string
		call func()
	}{
		{"signal0", func() { must(child.Process.Signal(none)) }},
		{"openClose", func() {
			process, err := os.FindProcess(child.Process.Pid)
			must(err)
			must(process.Release())
		}},
	}
	figures := samples{}
	for _, one := range all {
		for batch := -1; batch < batches; batch++ {
			begin := time.Now()
			for i := 0; i < calls; i++ {
				one.call()
			}
			if batch >= 0 {
				each := microseconds(begin) * 1e3 / float64(calls)
				figures[one.name] = append(figures[one.name], each)
			}
		}
	}
	must(child.Process.Kill())
	<-ended
	return figures
}

func latency(helpers string, numbers []int) samples {
	pending, kills := numbers[0], numbers[1]
	type held struct {
		child *exec.Cmd
		ended chan struct{}
	}
	start := func(count int) []held {
		all := make([]held, count)
		for i := range all {
			child, ended := hold(helpers)
			all[i] = held{child, ended}
		}
		return all
	}
	others := start(pending - 1)
	figures := samples{}
	for i := 0; i < kills; i++ {
		one := start(1)[0]
		time.Sleep(2 * time.Millisecond)
		begin := time.Now()
		must(one.child.Process.Kill())
		<-one.ended
		figures["latency"] = append(figures["latency"], microseconds(begin))
	}
	for _, one := range others {
		must(one.child.Process.Kill())
		<-one.ended
	}
	return figures
}

func spawn(_ string, numbers []int) samples {
	atATime, count := numbers[0], numbers[1]
	runAll := func(count int) {
		left := make(chan struct{}, count)
		for i := 0; i < count; i++ {
			left <- struct{}{}
		}
		close(left)
		var lanes sync.WaitGroup
		for i := 0; i < atATime; i++ {
			lanes.Add(1)
			go func() {
				defer lanes.Done()
				for range left {
					child := exec.Command("/bin/true")
					child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
					must(child.Run())
				}
			}()
		}
		lanes.Wait()
	}
	runAll(count / 10)
	begin := time.Now()
	runAll(count)
	return samples{"perSecond": {float64(count) / microseconds(begin) * 1e6}}
}

func throughput(helpers string, numbers []int) samples {
	size, total := numbers[0], numbers[1]
	buffer := make([]byte, 64*1024)
	receive := func(total int) {
		child := exec.Command(helpers+"/writer", strconv.Itoa(size), strconv.Itoa(total))
		output, err := child.StdoutPipe()
		must(err)
		must(child.Start())
		received := 0
		for {
			length, err := output.Read(buffer)
			received += length
			if err == io.EOF {
				break
			}
			must(err)
		}
		must(child.Wait())
		if received != total {
			must(fmt.Errorf("%d bytes came, of %d", received, total))
		}
	}
	receive(total / 8)
	begin := time.Now()
	receive(total)
	return samples{"MiBps": {float64(total) / (1 << 20) / microseconds(begin) * 1e6}}
}

func ownStatus(name string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	for _, line := range strings.Split(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			value, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			must(err)
			return value
		}
	}
	return -1
}

func scale(helpers string, numbers []int) samples {
	waits := numbers[0]
	// By default a program with 10,000 threads is ended.
	debug.SetMaxThreads(20000)
	threads, resident := ownStatus("Threads"), ownStatus("VmRSS")
	all := make([]chan struct{}, waits)
	leader, ended := hold(helpers, "0")
	all[0] = ended
	time.Sleep(100 * time.Millisecond)
	group := leader.Process.Pid
	for i := 1; i < waits; i++ {
		_, all[i] = hold(helpers, strconv.Itoa(group))
	}
	time.Sleep(300 * time.Millisecond)
	threads = ownStatus("Threads") - threads
	resident = (ownStatus("VmRSS") - resident) * 1024 / float64(waits)
	begin := time.Now()
	must(syscall.Kill(-group, syscall.SIGKILL))
	for _, ended := range all {
		<-ended
	}
	complete := microseconds(begin)
	return samples{"complete": {complete}, "threads": {threads}, "resident": {resident}}
}

// start is what a program does that holds itself and asks whether it is there.
func start() {
	process, err := os.FindProcess(os.Getpid())
	must(err)
	must(process.Signal(syscall.Signal(0)))
	must(process.Release())
}

func main() {
	measures := map[string]func(string, []int) samples{
		"call": call, "latency": latency, "spawn": spawn, "throughput": throughput, "scale": scale,
	}
	switch measure := measures[os.Args[1]]; {
	case os.Args[1] == "empty":
	case os.Args[1] == "start":
		start()
	case measure == nil:
		os.Exit(notTaken)
	default:
		var numbers []int
		for _, text := range os.Args[3:] {
			number, err := strconv.Atoi(text)
			must(err)
			numbers = append(numbers, number)
		}
		must(json.NewEncoder(os.Stdout).Encode(measure(os.Args[2], numbers)))
	}
}
