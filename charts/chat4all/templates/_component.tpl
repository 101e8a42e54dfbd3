{{/* The objects that every component has, of the root context and the component. */}}

{{/* Whether something else than the Deployment says how many pods there are. */}}
{{- define "chat4all.isScaled" -}}
{{- $values := get .root.Values .component -}}
{{- if or $values.autoscaling.enabled (and $values.keda $values.keda.enabled) -}}true{{- end -}}
{{- end -}}

{{/* How many pods there are at least. */}}
{{- define "chat4all.leastReplicas" -}}
{{- $values := get .root.Values .component -}}
{{- if $values.autoscaling.enabled -}}{{ $values.autoscaling.minReplicas }}
{{- else if and $values.keda $values.keda.enabled -}}{{ $values.keda.minReplicaCount }}
{{- else -}}{{ $values.replicas }}{{- end -}}
{{- end -}}

{{- define "chat4all.metadata" -}}
name: {{ include "chat4all.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "chat4all.labels" . | nindent 2 }}
{{- with .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "chat4all.deployment" -}}
{{- $values := get .root.Values .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
spec:
  {{- if not (include "chat4all.isScaled" .) }}
  replicas: {{ $values.replicas }}
  {{- else }}
  {{- /* What scales it has decided is left as it is. Left out, Helm would take the field away where an earlier revision
         had it, and the API server would put 1: https://github.com/helm/helm/issues/12650 */}}
  {{- with (lookup "apps/v1" "Deployment" .root.Release.Namespace (include "chat4all.name" .)).spec }}
  replicas: {{ .replicas }}
  {{- end }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- toYaml (.strategy | default (dict "type" "RollingUpdate" "rollingUpdate" (dict "maxUnavailable" 0 "maxSurge" 1))) | nindent 4 }}
  selector:
    matchLabels:
      {{- include "chat4all.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "chat4all.selector" . | nindent 8 }}
        app.kubernetes.io/part-of: chat4all
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with merge (deepCopy (.annotations | default dict)) ($values.podAnnotations | default dict) (.root.Values.podAnnotations | default dict) }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "chat4all.podSpec" (merge (dict "values" $values) .) | nindent 6 }}
{{- end -}}

{{- define "chat4all.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{/* .ports: a list of {name, port, targetPort}. */}}
{{- define "chat4all.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "chat4all.name" . }}{{ .suffix }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "chat4all.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  {{- if .headless }}
  clusterIP: None
  publishNotReadyAddresses: true
  {{- end }}
  selector:
    {{- include "chat4all.selector" . | nindent 4 }}
  ports:
    {{- toYaml .ports | nindent 4 }}
{{- end -}}

{{- define "chat4all.autoscaler" -}}
{{- $scaling := (get .root.Values .component).autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "chat4all.name" . }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $scaling.targetCPUUtilizationPercentage }}
    {{- with $scaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  behavior:
    {{- toYaml $scaling.behavior | nindent 4 }}
{{- end -}}

{{/* A budget that one pod could never satisfy would block every drain. */}}
{{- define "chat4all.disruptionBudget" -}}
{{- $values := get .root.Values .component -}}
{{- if and $values.podDisruptionBudget.enabled (gt (include "chat4all.leastReplicas" . | int) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "chat4all.selector" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{/* Who may talk to a component: .from, a list of {port, peers}; peers that are empty are anybody. */}}
{{- define "chat4all.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "chat4all.selector" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    {{- range .from }}
    - ports:
        - port: {{ .port }}
          protocol: TCP
      {{- with .peers }}
      from:
        {{- toYaml . | nindent 8 }}
        # helm test
        - podSelector:
            matchLabels:
              {{- include "chat4all.selector" (dict "root" $.root "component" "probe") | nindent 14 }}
      {{- end }}
    {{- end }}
{{- end -}}

{{- define "chat4all.roleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "chat4all.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "chat4all.name" . }}
subjects:
  - kind: ServiceAccount
    name: {{ include "chat4all.name" . }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}
