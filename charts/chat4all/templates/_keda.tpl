{{/* KEDA scales the router by how far it is behind. */}}
{{- define "chat4all.scaledObject" -}}
{{- $values := .root.Values -}}
{{- $keda := $values.router.keda -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ include "chat4all.name" . }}
  minReplicaCount: {{ $keda.minReplicaCount }}
  maxReplicaCount: {{ $keda.maxReplicaCount }}
  pollingInterval: {{ $keda.pollingInterval }}
  cooldownPeriod: {{ $keda.cooldownPeriod }}
  triggers:
    - type: kafka
      metadata:
        bootstrapServers: {{ $values.kafka.servers | quote }}
        consumerGroup: {{ $keda.consumerGroup }}
        topic: chat4all.conversations
        lagThreshold: {{ $keda.lagThreshold | toString | quote }}
        limitToPartitionsWithLag: "true"
      {{- if or $values.kafka.user $values.kafka.tls.enabled }}
      authenticationRef:
        name: {{ include "chat4all.name" . }}
      {{- end }}
{{- if or $values.kafka.user $values.kafka.tls.enabled }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
spec:
  {{- $mechanism := (get ($values.settings.kafka | default dict) "mechanism") | default "SCRAM-SHA-512" }}
  secretTargetRef:
    {{- if $values.kafka.user }}
    - parameter: password
      name: {{ $values.kafka.existingSecret }}
      key: {{ $values.kafka.passwordKey }}
    - parameter: username
      name: {{ include "chat4all.name" . }}-keda
      key: username
    - parameter: sasl
      name: {{ include "chat4all.name" . }}-keda
      key: sasl
    {{- end }}
    {{- if $values.kafka.tls.enabled }}
    - parameter: tls
      name: {{ include "chat4all.name" . }}-keda
      key: tls
    {{- with $values.kafka.tls.existingSecret }}
    - parameter: ca
      name: {{ . }}
      key: ca.crt
    {{- if $values.kafka.tls.clientCertificate }}
    - parameter: cert
      name: {{ . }}
      key: tls.crt
    - parameter: key
      name: {{ . }}
      key: tls.key
    {{- end }}
    {{- end }}
    {{- end }}
---
# No secret: KEDA takes these only by reference.
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "chat4all.name" . }}-keda
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "chat4all.labels" . | nindent 4 }}
stringData:
  username: {{ $values.kafka.user | quote }}
  sasl: {{ ternary "plaintext" (ternary "scram_sha256" "scram_sha512" (eq $mechanism "SCRAM-SHA-256")) (eq $mechanism "PLAIN") }}
  tls: {{ ternary "enable" "disable" $values.kafka.tls.enabled }}
{{- end }}
{{- end -}}
