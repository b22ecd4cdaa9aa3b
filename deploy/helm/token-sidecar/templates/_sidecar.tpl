{{/* All templates take the root context of the calling chart ("."). */}}

{{/* The ConfigMap. Its name starts with that of the release. */}}
{{- define "token-sidecar.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "token-sidecar.name" . }}
  labels:
    app.kubernetes.io/name: token-sidecar
    app.kubernetes.io/instance: {{ .Release.Name }}
data:
  token-sidecar.yaml: |
    {{- include "token-sidecar.config" . | nindent 4 }}
{{- end }}

{{- define "token-sidecar.name" -}}
{{ printf "%s-token-sidecar" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "token-sidecar.config" -}}
{{- $sidecar := index .Values "token-sidecar" -}}
{{- if not $sidecar.config.routes }}{{ fail "token-sidecar.config.routes: expected at least one route" }}{{ end -}}
{{- if and $sidecar.transparent.enabled (not (kindIs "slice" $sidecar.config.listen)) }}{{ fail "token-sidecar.config.listen: expected a list with a listener in mode transparent" }}{{ end -}}
{{ toYaml $sidecar.config }}
{{- end }}

{{/* Annotations of the pod: a changed configuration creates new pods. */}}
{{- define "token-sidecar.annotations" -}}
checksum/token-sidecar: {{ include "token-sidecar.config" . | sha256sum }}
{{- end }}

{{/* Labels of the pod, which the NetworkPolicy and the PodMonitor select. */}}
{{- define "token-sidecar.labels" -}}
token-sidecar.io/injected: "true"
{{- end }}

{{/* Fields of the pod's "securityContext". */}}
{{- define "token-sidecar.podSecurityContext" -}}
fsGroup: 65532
{{- end }}

{{/* An image reference. Takes a map of "repository", "tag" and "digest". */}}
{{- define "token-sidecar.image" -}}
{{- $version := "0.1.0" -}}
{{ if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $version }}{{ end }}
{{- end }}

{{/* The user of the sidecar. In transparent mode its connections are not redirected, so no other container may run as it. */}}
{{- define "token-sidecar.user" -}}
{{ if (index .Values "token-sidecar").transparent.enabled }}64532{{ else }}65532{{ end }}
{{- end }}

{{/* Entries of "initContainers": first the one that loads the redirect rules, in transparent mode. */}}
{{- define "token-sidecar.initContainer" -}}
{{- $sidecar := index .Values "token-sidecar" -}}
{{- $image := $sidecar.image -}}
{{- $transparent := $sidecar.transparent -}}
{{- if $transparent.enabled -}}
- name: redirect
  image: {{ include "token-sidecar.image" $transparent.image }}
  imagePullPolicy: {{ $transparent.image.pullPolicy }}
  env:
    - { name: SIDECAR_USER, value: {{ include "token-sidecar.user" . | quote }} }
    - { name: LISTENER_PORT, value: {{ $transparent.port | quote }} }
    # The rules are not loaded in the network of the node (hostNetwork).
    - { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
    - { name: HOST_IP, valueFrom: { fieldRef: { fieldPath: status.hostIP } } }
    - { name: DIRECT_NETWORKS, value: {{ join " " $transparent.directNetworks | quote }} }
  resources:
    requests: { cpu: 10m, memory: 16Mi }
    limits: { memory: 64Mi }
  securityContext:
    runAsNonRoot: false # Kubernetes gives capabilities to no other user
    runAsUser: 0
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities: { drop: [ALL], add: [NET_ADMIN] }
    seccompProfile: { type: RuntimeDefault }
{{ end -}}
- name: token-sidecar
  image: {{ include "token-sidecar.image" $image }}
  imagePullPolicy: {{ $image.pullPolicy }}
  restartPolicy: Always
  ports:
    - { name: ts-admin, containerPort: 9090 }
  {{- with $sidecar.env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  startupProbe:
    httpGet: { path: {{ $sidecar.startupPath }}, port: ts-admin }
    periodSeconds: 1
    timeoutSeconds: 2
    failureThreshold: {{ $sidecar.startupSeconds }}
  livenessProbe:
    httpGet: { path: /livez, port: ts-admin }
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  {{- if $sidecar.readiness }}
  readinessProbe:
    httpGet: { path: /readyz, port: ts-admin }
    periodSeconds: 5
    timeoutSeconds: 2
  {{- end }}
  resources:
    {{- toYaml $sidecar.resources | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ include "token-sidecar.user" . }}
    runAsGroup: 65532
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities: { drop: [ALL] }
    seccompProfile: { type: RuntimeDefault }
  volumeMounts:
    - { name: token-sidecar, mountPath: /etc/token-sidecar, readOnly: true }
    {{- range $sidecar.secrets }}
    - { name: {{ include "token-sidecar.volumeName" . }}, mountPath: {{ .mountPath }}, readOnly: true }
    {{- end }}
    {{- if $transparent.enabled }}
    - { name: ts-authority, mountPath: /var/lib/token-sidecar }
    - { name: ts-trust, mountPath: /trust }
    {{- end }}
    {{- with $sidecar.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Entries of "env" of the application in transparent mode: it trusts the CA of the sidecar. */}}
{{- define "token-sidecar.applicationEnv" -}}
{{- range list "SSL_CERT_FILE" "CURL_CA_BUNDLE" "REQUESTS_CA_BUNDLE" "NODE_EXTRA_CA_CERTS" }}
- { name: {{ . }}, value: /trust/ca-bundle.pem }
{{- end }}
{{- end }}

{{/* Entries of "volumeMounts" of the application in transparent mode. */}}
{{- define "token-sidecar.applicationVolumeMounts" -}}
- { name: ts-trust, mountPath: /trust, readOnly: true }
{{- end }}

{{/* Entries of "volumes". */}}
{{- define "token-sidecar.volumes" -}}
{{- $sidecar := index .Values "token-sidecar" -}}
- name: token-sidecar
  configMap: { name: {{ include "token-sidecar.name" . }} }
{{- range $sidecar.secrets }}
- name: {{ include "token-sidecar.volumeName" . }}
  secret: { secretName: {{ .secretName }}, defaultMode: 0440 }
{{- end }}
{{- if $sidecar.transparent.enabled }}
- name: ts-authority
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: ts-trust
  emptyDir: { medium: Memory, sizeLimit: 8Mi }
{{- end }}
{{- end }}

{{/* The name of a volume. Takes an entry of "secrets". */}}
{{- define "token-sidecar.volumeName" -}}
{{ printf "ts-%s" (.secretName | replace "." "-") | trunc 63 | trimSuffix "-" }}
{{- end }}
