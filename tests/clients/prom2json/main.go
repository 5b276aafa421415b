// Scrapes an address with the library of prom2json, the decoders of the official Go client, and prints what it has as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prom2json"
)

func main() {
	families := make(chan *dto.MetricFamily, 1024)
	failed := make(chan error, 1)
	go func() { failed <- prom2json.FetchMetricFamilies(os.Args[1], families, http.DefaultTransport) }()
	found := []*prom2json.Family{}
	for family := range families {
		found = append(found, prom2json.NewFamily(family))
	}
	if err := <-failed; err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
