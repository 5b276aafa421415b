// Reads a log from standard input with go-logfmt, which is what Loki and the tools of Prometheus read logfmt with, and
// prints each line as a JSON object.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-logfmt/logfmt"
)

func main() {
	lines := logfmt.NewDecoder(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	number := 0
	for lines.ScanRecord() {
		number++
		fields := map[string]string{}
		for lines.ScanKeyval() {
			fields[string(lines.Key())] = string(lines.Value())
		}
		if lines.Err() == nil {
			if err := out.Encode(fields); err != nil {
				fail(number, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		fail(number, err)
	}
}

func fail(number int, err error) {
	fmt.Fprintf(os.Stderr, "record %d: %v\n", number, err)
	os.Exit(1)
}
