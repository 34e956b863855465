{{- define "pim-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* 52 characters at the most: suffixes such as "-metrics" have to fit into 63. */}}
{{- define "pim-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "pim-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pim-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "pim-operator.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "pim-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: pim-operator
{{- end }}

{{- define "pim-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pim-operator.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- required "serviceAccount.name must be set when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "pim-operator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end }}

{{- /* A file of ours with its names set to those of this release. */}}
{{- define "pim-operator.policy" -}}
{{- $file := printf "files/policies/%s.yaml" .file -}}
{{- $user := printf "system:serviceaccount:%s:%s" .root.Release.Namespace (include "pim-operator.serviceAccountName" .root) -}}
{{- $text := .root.Files.Get $file -}}
{{- $text = $text | replace "system:serviceaccount:pim-operator-system:pim-operator" $user -}}
{{- if ne .root.Release.Namespace "pim-operator-system" -}}
{{- $text = $text | replace "| pim-operator policies |" (printf "| pim-operator policies --namespace %s |" .root.Release.Namespace) -}}
{{- end -}}
{{- $text = $text | replace "pim-operator-system" .root.Release.Namespace -}}
{{- $text = $text | replace "\nmetadata:\n" (printf "\nmetadata:\n  labels:\n%s\n" (include "pim-operator.labels" .root | indent 4)) -}}
{{- $text }}
{{- end }}
