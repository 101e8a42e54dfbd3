{{/* What the operator is told. */}}

{{/* A connector's pod, of the root context: its metadata, its spec, and how many of one connector a drain may take away at
     once. */}}
{{- define "chat4all.connectorTemplate" -}}
{{- $values := .Values.connectors -}}
{{- $connector := dict "root" . "component" "connector" "values" $values
  "args" (list "run" "connector")
  "ports" (dict "hooks" 8010 "operations" 9090)
  "own" (dict "channels" (dict "credentialsDir" "/credentials" "publicUrl" (include "chat4all.publicURL" .)))
  "env" (list (dict "name" "CHAT4ALL_CHANNELS__POD" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name"))))
  "probes" true -}}
metadata:
  labels:
    app.kubernetes.io/part-of: chat4all
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with merge (deepCopy $values.podAnnotations) .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
maxUnavailable: {{ ternary ($values.podDisruptionBudget.maxUnavailable | toJson) "null" $values.podDisruptionBudget.enabled }}
spec:
  {{- include "chat4all.podSpec" $connector | nindent 2 }}
{{- end -}}

{{/* How providers reach connectors, as JSON: the way in that the chart has itself, or none. */}}
{{- define "chat4all.hooks" -}}
{{- $values := .Values -}}
{{- $made := dict "public_url" (include "chat4all.publicURL" .) -}}
{{- if $values.ingress.enabled -}}
{{- $known := omit (include "chat4all.classAnnotations" . | fromYaml) "projectcontour.io/websocket-routes" "alb.ingress.kubernetes.io/healthcheck-path" -}}
{{- $given := dict "className" $values.ingress.className "host" ($values.hooks.host | default $values.ingress.host) "annotations" (merge (deepCopy $values.ingress.annotations) $known) "tls" $values.ingress.tls -}}
{{- $_ := set $made "ingress" $given -}}
{{- else if $values.httpRoute.enabled -}}
{{- $names := ternary (list $values.hooks.host) $values.httpRoute.hostnames (not (empty $values.hooks.host)) -}}
{{- $_ := set $made "http_route" (dict "parentRefs" $values.httpRoute.parentRefs "hostnames" $names "annotations" $values.httpRoute.annotations) -}}
{{- end -}}
{{- toJson $made -}}
{{- end -}}

{{/* The operator's own settings, of the root context. */}}
{{- define "chat4all.operatorSettings" -}}
{{- $values := .Values -}}
namespace: {{ .Release.Namespace }}
release: {{ .Release.Name | quote }}
instance: {{ include "chat4all.fullname" . }}
image: {{ include "chat4all.image" . | quote }}
podTemplate: /template/template.yaml
hooks: {{ include "chat4all.hooks" . | quote }}
apiUrl: {{ printf "http://%s-api-internal:8002" (include "chat4all.fullname" .) }}
tokenFile: {{ printf "/secrets/%s/token" $values.internal.existingSecret }}
maxRolling: {{ $values.operator.maxRolling | toJson }}
orphanGraceSeconds: {{ $values.operator.orphanGraceSeconds | toJson }}
unregisterSeconds: {{ $values.operator.unregisterSeconds | toJson }}
logLevel: {{ $values.operator.logLevel }}
{{- end -}}
