package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The prefix of the keys of argocd-cm that hold one kind's script each: `<group>_<Kind>` follows.
const healthKey = "resource.customizations.health."

// The file names and the wildcard of Argo CD's folder resource_customizations.
const (
	scriptFile = "health.lua"
	testFile   = "health_test.yaml"
	anyKind    = "_"
)

// The only values of `status` that Argo CD takes from a script.
var known = []string{"Unknown", "Progressing", "Healthy", "Suspended", "Degraded", "Missing"}

// The scripts of an argocd-cm, by `<group>/<Kind>`.
func scriptsOf(configMap map[string]any) (map[string]string, error) {
	data, _, err := unstructured.NestedStringMap(configMap, "data")
	if err != nil {
		return nil, err
	}
	scripts := map[string]string{}
	for key, value := range data {
		name, ours := strings.CutPrefix(key, healthKey)
		group, kind, whole := strings.Cut(name, "_")
		if !ours || !whole {
			return nil, fmt.Errorf("argocd-cm: %s is no key of a kind's health", key)
		}
		scripts[group+"/"+kind] = value
	}
	return scripts, nil
}

// The health of an object, by Argo CD's order of precedence: what is being deleted is never shown to a script.
func health(object *unstructured.Unstructured, scripts map[string]string) (verdict, error) {
	if object.GetDeletionTimestamp() != nil {
		return verdict{Status: "Progressing", Message: "Pending deletion"}, nil
	}
	kind := object.GroupVersionKind()
	script, found := scripts[kind.Group+"/"+kind.Kind]
	if !found {
		return verdict{}, fmt.Errorf("argocd-cm has no script for %s/%s", kind.Group, kind.Kind)
	}
	return evaluate(object, script)
}

// Runs a script on an object.
func evaluate(object *unstructured.Unstructured, script string) (verdict, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		call := lua.P{Fn: state.NewFunction(open), Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return verdict{}, err
		}
	}
	deadline, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(deadline)
	state.SetGlobal("obj", toLua(state, object.Object))
	if err := state.DoString(script); err != nil {
		return verdict{}, err
	}
	table, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return verdict{}, fmt.Errorf("the script returned %s, not a table", state.Get(-1).Type())
	}
	var said verdict
	var wrong error
	table.ForEach(func(key, value lua.LValue) {
		switch {
		case value.Type() != lua.LTString:
			wrong = fmt.Errorf("%s is a %s, not a string", key, value.Type())
		case key.String() == "status":
			said.Status = value.String()
		case key.String() == "message":
			said.Message = value.String()
		default:
			wrong = fmt.Errorf("the script returned %s, which Argo CD does not read", key)
		}
	})
	if wrong != nil {
		return verdict{}, wrong
	}
	for _, one := range known {
		if said.Status == one {
			return said, nil
		}
	}
	return verdict{}, fmt.Errorf("%q is no health status", said.Status)
}

// A JSON value as Lua has it.
func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}

// A health_test.yaml.
type tests struct {
	Tests []struct {
		InputPath    string  `json:"inputPath"`
		HealthStatus verdict `json:"healthStatus"`
	} `json:"tests"`
}

// Runs every script below a folder against the tests beside it, as Argo CD's own test of resource_customizations does: the folder
// of a script is `<group>/<Kind>`, and `_` stands for every kind.
func convention(root string) error {
	count := 0
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.Name() != scriptFile {
			return err
		}
		folder := filepath.Dir(path)
		script, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(folder, testFile))
		if err != nil {
			return err
		}
		var of tests
		if err := yaml.UnmarshalStrict(text, &of); err != nil {
			return err
		}
		used := map[string]bool{}
		for _, test := range of.Tests {
			object, err := read(filepath.Join(folder, test.InputPath))
			if err != nil {
				return err
			}
			kind := object.GroupVersionKind()
			of, err := filepath.Rel(root, folder)
			if err != nil {
				return err
			}
			if of != filepath.Join(kind.Group, kind.Kind) && of != filepath.Join(kind.Group, anyKind) {
				return fmt.Errorf("%s is a %s/%s, which Argo CD does not judge by %s", test.InputPath, kind.Group, kind.Kind, path)
			}
			said, err := evaluate(object, string(script))
			if err != nil {
				return fmt.Errorf("%s: %w", test.InputPath, err)
			}
			if said != test.HealthStatus {
				return fmt.Errorf("%s: the script says %+v, the test %+v", test.InputPath, said, test.HealthStatus)
			}
			used[filepath.Base(test.InputPath)] = true
			count++
		}
		inputs, err := os.ReadDir(filepath.Join(folder, "testdata"))
		if err != nil {
			return err
		}
		for _, input := range inputs {
			if !used[input.Name()] {
				return fmt.Errorf("%s: no test reads it", filepath.Join(folder, "testdata", input.Name()))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Println(count)
	return nil
}

func read(path string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	text, err = yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	return object, object.UnmarshalJSON(text)
}
