"""The messages of Kubernetes' own kinds: which number stands for which field.

A line names a message, then its fields: number, name in JSON, type. A field without a type is a string. `*` marks what
is a pointer in Go: it is there if it is written at all, be it with its zero value; of other fields, zero is absence.
`[]` is a list, `{}` a map from strings; `raw` are bytes that hold JSON, `fields` ones that hold a set
of fields in JSON, `opaque` ones that hold a message. Messages of another package have its name in front. Lines that
are indented go on with the message.

There are the kinds that clients send: neither lists nor kinds that are only answers. None of their fields is packed.
"""

from __future__ import annotations

from typing import Final

PACKAGES: Final = {
    "core": "io.k8s.api.core.v1",
    "rbac": "io.k8s.api.rbac.v1",
    "events": "io.k8s.api.events.v1",
    "coordination": "io.k8s.api.coordination.v1",
    "authentication": "io.k8s.api.authentication.v1",
    "authorization": "io.k8s.api.authorization.v1",
    "autoscaling": "io.k8s.api.autoscaling.v1",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    "meta": "io.k8s.apimachinery.pkg.apis.meta.v1",
    "intstr": "io.k8s.apimachinery.pkg.util.intstr",
    "runtime": "io.k8s.apimachinery.pkg.runtime",
}
"""Packages as the names of components have them."""

API_VERSIONS: Final = {
    "v1": "core",
    "rbac.authorization.k8s.io/v1": "rbac",
    "events.k8s.io/v1": "events",
    "coordination.k8s.io/v1": "coordination",
    "authentication.k8s.io/v1": "authentication",
    "authorization.k8s.io/v1": "authorization",
    "autoscaling/v1": "autoscaling",
    "apiextensions.k8s.io/v1": "apiextensions",
}
"""Where the kinds of a group and version are."""

TABLE: Final = {
    "core": """
Namespace: 1 metadata meta.ObjectMeta, 2 spec NamespaceSpec, 3 status NamespaceStatus
Secret: 1 metadata meta.ObjectMeta, 2 data {}bytes, 3 type, 4 stringData {}string, 5 immutable *bool
ConfigMap: 1 metadata meta.ObjectMeta, 2 data {}string, 3 binaryData {}bytes, 4 immutable *bool
ServiceAccount: 1 metadata meta.ObjectMeta, 2 secrets []ObjectReference, 3 imagePullSecrets []LocalObjectReference,
  4 automountServiceAccountToken *bool
Service: 1 metadata meta.ObjectMeta, 2 spec ServiceSpec, 3 status ServiceStatus
Event: 1 metadata meta.ObjectMeta, 2 involvedObject ObjectReference, 3 reason, 4 message, 5 source EventSource,
  6 firstTimestamp meta.Time, 7 lastTimestamp meta.Time, 8 count int32, 9 type, 10 eventTime meta.MicroTime,
  11 series EventSeries, 12 action, 13 related ObjectReference, 14 reportingComponent, 15 reportingInstance
NamespaceSpec: 1 finalizers []string
NamespaceStatus: 1 phase, 2 conditions []NamespaceCondition
ObjectReference: 1 kind, 2 namespace, 3 name, 4 uid, 5 apiVersion, 6 resourceVersion, 7 fieldPath
LocalObjectReference: 1 name
ServiceSpec: 1 ports []ServicePort, 2 selector {}string, 3 clusterIP, 4 type, 5 externalIPs []string,
  7 sessionAffinity, 8 loadBalancerIP, 9 loadBalancerSourceRanges []string, 10 externalName,
  11 externalTrafficPolicy, 12 healthCheckNodePort int32, 13 publishNotReadyAddresses bool,
  14 sessionAffinityConfig SessionAffinityConfig, 17 ipFamilyPolicy *string, 18 clusterIPs []string,
  19 ipFamilies []string, 20 allocateLoadBalancerNodePorts *bool, 21 loadBalancerClass *string,
  22 internalTrafficPolicy *string, 23 trafficDistribution *string
ServiceStatus: 1 loadBalancer LoadBalancerStatus, 2 conditions []meta.Condition
EventSource: 1 component, 2 host
EventSeries: 1 count int32, 2 lastObservedTime meta.MicroTime
NamespaceCondition: 1 type, 2 status, 4 lastTransitionTime meta.Time, 5 reason, 6 message
ServicePort: 1 name, 2 protocol, 3 port int32, 4 targetPort intstr.IntOrString, 5 nodePort int32,
  6 appProtocol *string
SessionAffinityConfig: 1 clientIP ClientIPConfig
LoadBalancerStatus: 1 ingress []LoadBalancerIngress
ClientIPConfig: 1 timeoutSeconds *int32
LoadBalancerIngress: 1 ip, 2 hostname, 3 ipMode *string, 4 ports []PortStatus
PortStatus: 1 port int32, 2 protocol, 3 error *string
""",
    "rbac": """
Role: 1 metadata meta.ObjectMeta, 2 rules []PolicyRule
ClusterRole: 1 metadata meta.ObjectMeta, 2 rules []PolicyRule, 3 aggregationRule AggregationRule
RoleBinding: 1 metadata meta.ObjectMeta, 2 subjects []Subject, 3 roleRef RoleRef
ClusterRoleBinding: 1 metadata meta.ObjectMeta, 2 subjects []Subject, 3 roleRef RoleRef
PolicyRule: 1 verbs []string, 2 apiGroups []string, 3 resources []string, 4 resourceNames []string,
  5 nonResourceURLs []string
AggregationRule: 1 clusterRoleSelectors []meta.LabelSelector
Subject: 1 kind, 2 apiGroup, 3 name, 4 namespace
RoleRef: 1 apiGroup, 2 kind, 3 name
""",
    "events": """
Event: 1 metadata meta.ObjectMeta, 2 eventTime meta.MicroTime, 3 series EventSeries, 4 reportingController,
  5 reportingInstance, 6 action, 7 reason, 8 regarding core.ObjectReference, 9 related core.ObjectReference, 10 note,
  11 type, 12 deprecatedSource core.EventSource, 13 deprecatedFirstTimestamp meta.Time,
  14 deprecatedLastTimestamp meta.Time, 15 deprecatedCount int32
EventSeries: 1 count int32, 2 lastObservedTime meta.MicroTime
""",
    "coordination": """
Lease: 1 metadata meta.ObjectMeta, 2 spec LeaseSpec
LeaseSpec: 1 holderIdentity *string, 2 leaseDurationSeconds *int32, 3 acquireTime meta.MicroTime,
  4 renewTime meta.MicroTime, 5 leaseTransitions *int32, 6 strategy *string, 7 preferredHolder *string
""",
    "authentication": """
TokenReview: 1 metadata meta.ObjectMeta, 2 spec TokenReviewSpec, 3 status TokenReviewStatus
SelfSubjectReview: 1 metadata meta.ObjectMeta, 2 status SelfSubjectReviewStatus
TokenRequest: 1 metadata meta.ObjectMeta, 2 spec TokenRequestSpec, 3 status TokenRequestStatus
TokenReviewSpec: 1 token, 2 audiences []string
TokenReviewStatus: 1 authenticated bool, 2 user UserInfo, 3 error, 4 audiences []string
SelfSubjectReviewStatus: 1 userInfo UserInfo
TokenRequestSpec: 1 audiences []string, 3 boundObjectRef BoundObjectReference, 4 expirationSeconds *int64
TokenRequestStatus: 1 token, 2 expirationTimestamp meta.Time
UserInfo: 1 username, 2 uid, 3 groups []string, 4 extra {}ExtraValue
BoundObjectReference: 1 kind, 2 apiVersion, 3 name, 4 uid
ExtraValue: 1 items []string
""",
    "authorization": """
SubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec SubjectAccessReviewSpec, 3 status SubjectAccessReviewStatus
LocalSubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec SubjectAccessReviewSpec,
  3 status SubjectAccessReviewStatus
SelfSubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec SelfSubjectAccessReviewSpec,
  3 status SubjectAccessReviewStatus
SelfSubjectRulesReview: 1 metadata meta.ObjectMeta, 2 spec SelfSubjectRulesReviewSpec,
  3 status SubjectRulesReviewStatus
SubjectAccessReviewSpec: 1 resourceAttributes ResourceAttributes, 2 nonResourceAttributes NonResourceAttributes,
  3 user, 4 groups []string, 5 extra {}ExtraValue, 6 uid
SubjectAccessReviewStatus: 1 allowed bool, 2 reason, 3 evaluationError, 4 denied bool
SelfSubjectAccessReviewSpec: 1 resourceAttributes ResourceAttributes, 2 nonResourceAttributes NonResourceAttributes
SelfSubjectRulesReviewSpec: 1 namespace
SubjectRulesReviewStatus: 1 resourceRules []ResourceRule, 2 nonResourceRules []NonResourceRule, 3 incomplete bool,
  4 evaluationError
ResourceAttributes: 1 namespace, 2 verb, 3 group, 4 version, 5 resource, 6 subresource, 7 name,
  8 fieldSelector FieldSelectorAttributes, 9 labelSelector LabelSelectorAttributes
NonResourceAttributes: 1 path, 2 verb
ExtraValue: 1 items []string
ResourceRule: 1 verbs []string, 2 apiGroups []string, 3 resources []string, 4 resourceNames []string
NonResourceRule: 1 verbs []string, 2 nonResourceURLs []string
FieldSelectorAttributes: 1 rawSelector, 2 requirements []meta.FieldSelectorRequirement
LabelSelectorAttributes: 1 rawSelector, 2 requirements []meta.LabelSelectorRequirement
""",
    "autoscaling": """
Scale: 1 metadata meta.ObjectMeta, 2 spec ScaleSpec, 3 status ScaleStatus
ScaleSpec: 1 replicas int32
ScaleStatus: 1 replicas int32, 2 selector
""",
    "apiextensions": """
CustomResourceDefinition: 1 metadata meta.ObjectMeta, 2 spec CustomResourceDefinitionSpec,
  3 status CustomResourceDefinitionStatus
CustomResourceDefinitionSpec: 1 group, 3 names CustomResourceDefinitionNames, 4 scope,
  7 versions []CustomResourceDefinitionVersion, 9 conversion CustomResourceConversion, 10 preserveUnknownFields bool
CustomResourceDefinitionStatus: 1 conditions []CustomResourceDefinitionCondition,
  2 acceptedNames CustomResourceDefinitionNames, 3 storedVersions []string, 4 observedGeneration int64
CustomResourceDefinitionNames: 1 plural, 2 singular, 3 shortNames []string, 4 kind, 5 listKind, 6 categories []string
CustomResourceDefinitionVersion: 1 name, 2 served bool, 3 storage bool, 4 schema CustomResourceValidation,
  5 subresources CustomResourceSubresources, 6 additionalPrinterColumns []CustomResourceColumnDefinition,
  7 deprecated bool, 8 deprecationWarning *string, 9 selectableFields []SelectableField
CustomResourceConversion: 1 strategy, 2 webhook WebhookConversion
CustomResourceDefinitionCondition: 1 type, 2 status, 3 lastTransitionTime meta.Time, 4 reason, 5 message,
  6 observedGeneration int64
CustomResourceValidation: 1 openAPIV3Schema JSONSchemaProps
CustomResourceSubresources: 1 status CustomResourceSubresourceStatus, 2 scale CustomResourceSubresourceScale
CustomResourceColumnDefinition: 1 name, 2 type, 3 format, 4 description, 5 priority int32, 6 jsonPath
SelectableField: 1 jsonPath
WebhookConversion: 2 clientConfig WebhookClientConfig, 3 conversionReviewVersions []string
JSONSchemaProps: 1 id, 2 $schema, 3 $ref *string, 4 description, 5 type, 6 format, 7 title, 8 default JSON,
  9 maximum *double, 10 exclusiveMaximum bool, 11 minimum *double, 12 exclusiveMinimum bool, 13 maxLength *int64,
  14 minLength *int64, 15 pattern, 16 maxItems *int64, 17 minItems *int64, 18 uniqueItems bool,
  19 multipleOf *double, 20 enum []JSON, 21 maxProperties *int64, 22 minProperties *int64, 23 required []string,
  24 items JSONSchemaPropsOrArray, 25 allOf []JSONSchemaProps, 26 oneOf []JSONSchemaProps,
  27 anyOf []JSONSchemaProps, 28 not JSONSchemaProps, 29 properties {}JSONSchemaProps,
  30 additionalProperties JSONSchemaPropsOrBool, 31 patternProperties {}JSONSchemaProps,
  32 dependencies {}JSONSchemaPropsOrStringArray, 33 additionalItems JSONSchemaPropsOrBool,
  34 definitions {}JSONSchemaProps, 35 externalDocs ExternalDocumentation, 36 example JSON, 37 nullable bool,
  38 x-kubernetes-preserve-unknown-fields *bool, 39 x-kubernetes-embedded-resource bool,
  40 x-kubernetes-int-or-string bool, 41 x-kubernetes-list-map-keys []string, 42 x-kubernetes-list-type *string,
  43 x-kubernetes-map-type *string, 44 x-kubernetes-validations []ValidationRule
CustomResourceSubresourceStatus:
CustomResourceSubresourceScale: 1 specReplicasPath, 2 statusReplicasPath, 3 labelSelectorPath *string
WebhookClientConfig: 1 service ServiceReference, 2 caBundle bytes, 3 url *string
JSON: 1 raw *raw
JSONSchemaPropsOrArray: 1 schema JSONSchemaProps, 2 JSONSchemas []JSONSchemaProps
JSONSchemaPropsOrBool: 1 allows bool, 2 schema JSONSchemaProps
JSONSchemaPropsOrStringArray: 1 schema JSONSchemaProps, 2 property []string
ExternalDocumentation: 1 description, 2 url
ValidationRule: 1 rule, 2 message, 3 messageExpression, 4 reason *string, 5 fieldPath, 6 optionalOldSelf *bool
ServiceReference: 1 namespace, 2 name, 3 path *string, 4 port *int32
""",
    "meta": """
DeleteOptions: 1 gracePeriodSeconds *int64, 2 preconditions Preconditions, 3 orphanDependents *bool,
  4 propagationPolicy *string, 5 dryRun []string, 6 ignoreStoreReadErrorWithClusterBreakingPotential *bool
ObjectMeta: 1 name, 2 generateName, 3 namespace, 4 selfLink, 5 uid, 6 resourceVersion, 7 generation int64,
  8 creationTimestamp Time, 9 deletionTimestamp Time, 10 deletionGracePeriodSeconds *int64, 11 labels {}string,
  12 annotations {}string, 13 ownerReferences []OwnerReference, 14 finalizers []string,
  17 managedFields []ManagedFieldsEntry
Time: 1 seconds *int64, 2 nanos *int32
MicroTime: 1 seconds *int64, 2 nanos *int32
Preconditions: 1 uid *string, 2 resourceVersion *string
OwnerReference: 1 kind, 3 name, 4 uid, 5 apiVersion, 6 controller *bool, 7 blockOwnerDeletion *bool
ManagedFieldsEntry: 1 manager, 2 operation, 3 apiVersion, 4 time Time, 6 fieldsType, 7 fieldsV1 FieldsV1,
  8 subresource
Condition: 1 type, 2 status, 3 observedGeneration int64, 4 lastTransitionTime Time, 5 reason, 6 message
LabelSelector: 1 matchLabels {}string, 2 matchExpressions []LabelSelectorRequirement
FieldsV1: 1 raw *fields
LabelSelectorRequirement: 1 key, 2 operator, 3 values []string
FieldSelectorRequirement: 1 key, 2 operator, 3 values []string
""",
    "intstr": """
IntOrString: 1 type int64, 2 intVal int32, 3 strVal
""",
    "runtime": """
Unknown: 1 typeMeta TypeMeta, 2 raw opaque, 3 contentEncoding, 4 contentType
TypeMeta: 1 apiVersion, 2 kind
""",
}
"""The messages by package."""
