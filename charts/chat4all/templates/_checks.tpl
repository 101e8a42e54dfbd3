{{/* What cannot work is refused here, with what to set. */}}
{{- define "chat4all.check" -}}
{{- $values := .Values -}}
{{- $needed := list
  (list $values.kafka.servers "kafka.servers" "Kafka's brokers, as kafka-0.kafka:9092,kafka-1.kafka:9092")
  (list $values.cassandra.hosts "cassandra.hosts" "Cassandra's nodes, as cassandra-0.cassandra,cassandra-1.cassandra")
  (list $values.directory.host "directory.host" "the SQL database's address, as cockroachdb-public.db")
  (list $values.redis.host "redis.host" "Redis's address, as redis-master.redis")
  (list $values.files.endpoint "files.endpoint" "the S3 store's address, as minio.files:9000")
  (list $values.accounts.signingKeys.existingSecret "accounts.signingKeys.existingSecret" "a Secret with a key <key id>.pem: openssl genpkey -algorithm ed25519 -out 2026.pem")
  (list $values.accounts.publicKeys.existingSecret "accounts.publicKeys.existingSecret" "a Secret with the public half, <key id>.pub.pem: openssl pkey -in 2026.pem -pubout -out 2026.pub.pem")
  (list $values.internal.existingSecret "internal.existingSecret" "a Secret with the internal API's token in its key token")
-}}
{{- range $needed -}}
{{- if not (index . 0) -}}
{{- fail (printf "Set %s: %s. README.md has a values file to begin with." (index . 1) (index . 2)) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "kafka" "cassandra" "directory" "redis" "files" -}}
{{- $engine := get $values $name -}}
{{- if and $engine.user (not $engine.existingSecret) -}}
{{- fail (printf "%s.user is set and %s.existingSecret is not: name the Secret that has the password in its key %s." $name $name $engine.passwordKey) -}}
{{- end -}}
{{- if and $engine.tls.clientCertificate (not $engine.tls.existingSecret) -}}
{{- fail (printf "%s.tls.clientCertificate is on and %s.tls.existingSecret is not: name the Secret that has tls.crt and tls.key." $name $name) -}}
{{- end -}}
{{- end -}}
{{- $router := $values.router -}}
{{- if and $router.autoscaling.enabled $router.keda.enabled -}}
{{- fail "router.autoscaling and router.keda are both enabled: two scalers would fight over one Deployment. Choose one." -}}
{{- end -}}
{{- $most := ternary $router.autoscaling.maxReplicas (ternary $router.keda.maxReplicaCount $router.replicas $router.keda.enabled) $router.autoscaling.enabled -}}
{{- if gt (int $most) (int $values.partitions) -}}
{{- fail (printf "The router would have up to %d pods, and the log has %d partitions: more than one pod per partition is idle. Lower it, or set partitions to what the log was made with." (int $most) (int $values.partitions)) -}}
{{- end -}}
{{- if and $router.keda.enabled (lt (int $router.keda.minReplicaCount) 1) -}}
{{- fail "router.keda.minReplicaCount has to be 1 or more: without a router nothing is delivered." -}}
{{- end -}}
{{- range $component := list "api" "gateway" "router" -}}
{{- $scaling := (get $values $component).autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- fail (printf "%s.autoscaling.minReplicas is %d, more than its maxReplicas, %d." $component (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and $values.ingress.enabled $values.httpRoute.enabled -}}
{{- fail "ingress and httpRoute are both enabled: one of them is the way in. Choose one." -}}
{{- end -}}
{{- if and $values.hooks.host (not $values.hooks.publicURL) (not $values.ingress.enabled) (not $values.httpRoute.enabled) -}}
{{- fail "hooks.host is set, and neither ingress nor httpRoute is enabled: nothing leads there. Enable one, or set hooks.publicURL." -}}
{{- end -}}
{{- if contains "*" (include "chat4all.publicURL" .) -}}
{{- fail "Where providers reach connectors would have an asterisk in it: set hooks.host or hooks.publicURL." -}}
{{- end -}}
{{- if and $router.keda.enabled (gt (int $router.keda.minReplicaCount) (int $router.keda.maxReplicaCount)) -}}
{{- fail (printf "router.keda.minReplicaCount is %d, more than its maxReplicaCount, %d." (int $router.keda.minReplicaCount) (int $router.keda.maxReplicaCount)) -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name the Gateway, as [{name: public, namespace: gateways}]." -}}
{{- end -}}
{{- end -}}
