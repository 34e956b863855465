// The verdicts of GitOps tools on objects of ours, for tests: the health that Argo CD computes with a Lua script, and the status
// that Flux computes with kstatus.
//
// The Lua runs in the engine that Argo CD runs it in, with the same libraries open (util/lua of Argo CD v3.5: package, base and
// table; not string, not io) and the same second to finish. Argo CD's own package is not used: it would cost 2.4 GB of modules.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
)

// A verdict of one tool.
type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// What both tools say of one object.
type verdicts struct {
	Argo    verdict `json:"argo"`
	Kstatus verdict `json:"kstatus"`
}

// What is to be judged, and Argo CD's settings.
type question struct {
	ConfigMap map[string]any   `json:"configMap"`
	Objects   []map[string]any `json:"objects"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 1 && arguments[0] == "judge":
		return judge()
	case len(arguments) == 2 && arguments[0] == "convention":
		return convention(arguments[1])
	}
	return fmt.Errorf("usage: gitops-verdicts judge < question.json | gitops-verdicts convention FOLDER")
}

// Judges every object of a question, and writes the verdicts in their order.
func judge() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var asked question
	// Whole numbers become int64, as in the clients of both tools: kstatus reads nothing else.
	if err := json.Unmarshal(text, &asked); err != nil {
		return err
	}
	scripts, err := scriptsOf(asked.ConfigMap)
	if err != nil {
		return err
	}
	answers := make([]verdicts, 0, len(asked.Objects))
	for _, content := range asked.Objects {
		object := &unstructured.Unstructured{Object: content}
		argo, err := health(object, scripts)
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		flux, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		answers = append(answers, verdicts{
			Argo:    argo,
			Kstatus: verdict{Status: flux.Status.String(), Message: flux.Message},
		})
	}
	out, err := json.Marshal(answers)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(out)
	return err
}
