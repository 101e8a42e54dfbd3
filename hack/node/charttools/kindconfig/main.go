// kindconfig reads a configuration of kind as kind itself does, strictly, and prints it as JSON with every default.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"gopkg.in/yaml.v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err == nil {
		cluster := &v1alpha4.Cluster{}
		decoder := yaml.NewDecoder(file)
		decoder.KnownFields(true)
		if err = decoder.Decode(cluster); err == nil {
			v1alpha4.SetDefaultsCluster(cluster)
			err = json.NewEncoder(os.Stdout).Encode(cluster)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
