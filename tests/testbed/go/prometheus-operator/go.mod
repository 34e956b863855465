// The kinds of prometheus-operator, pinned: the API server judges the chart's ServiceMonitor and PrometheusRule by them. They are
// files of the module; nothing of it is built.
module pim-operator.example/testbed/prometheus-operator

go 1.25.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
