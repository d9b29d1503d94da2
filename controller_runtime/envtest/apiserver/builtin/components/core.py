"""Schemas of core/v1: Namespace, Secret, ConfigMap, ServiceAccount, Service, Event."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    META,
    Schema,
    boolean,
    embedded,
    integer,
    integer_or_zero,
    items,
    kind,
    kind_list,
    micro_time,
    octets_map,
    optional,
    struct,
    text,
    text_map,
    text_or_zero,
    texts,
    time,
)

CORE: Final = "io.k8s.api.core.v1"
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")

_NAMESPACE: Final[dict[str, Schema]] = {
    f"{CORE}.Namespace": kind(
        "",
        "v1",
        "Namespace",
        "A space of names; most objects live in one.",
        {
            "spec": embedded(f"{CORE}.NamespaceSpec", "What holds the namespace when it is deleted."),
            "status": embedded(f"{CORE}.NamespaceStatus", "Where the namespace is in its life."),
        },
    ),
    f"{CORE}.NamespaceSpec": struct(
        "What holds a namespace when it is deleted.",
        {"finalizers": texts("Who must empty the namespace before it goes; `kubernetes` is the server itself.")},
    ),
    f"{CORE}.NamespaceStatus": struct(
        "Where a namespace is in its life.",
        {
            "conditions": items(
                f"{CORE}.NamespaceCondition", "How the deletion is getting on.", keys=("type",), merge_key="type"
            ),
            "phase": text("Where it is.", "Active", "Terminating"),
        },
    ),
    f"{CORE}.NamespaceCondition": struct(
        "One aspect of a namespace's deletion.",
        {
            "lastTransitionTime": time("When the status last changed."),
            "message": text("Details, for people."),
            "reason": text("Why, in one CamelCase word."),
            "status": text_or_zero("`True`, `False` or `Unknown`."),
            "type": text_or_zero("Which aspect."),
        },
        required=("type", "status"),
    ),
}

_DATA: Final[dict[str, Schema]] = {
    f"{CORE}.Secret": kind(
        "",
        "v1",
        "Secret",
        "Small pieces of data that few should read.",
        {
            "data": octets_map("The data by key, in base64."),
            "immutable": boolean("True forbids all further changes of the data."),
            "stringData": text_map("Data in clear, which the server moves to `data`; never returned."),
            "type": text("What the data is for; decides which keys must be there. `Opaque` means anything."),
        },
    ),
    f"{CORE}.ConfigMap": kind(
        "",
        "v1",
        "ConfigMap",
        "Configuration that others read.",
        {
            "binaryData": octets_map("Data that is not UTF-8, by key, in base64."),
            "data": text_map("Texts by key; a key is in one of `data` and `binaryData`."),
            "immutable": boolean("True forbids all further changes of the data."),
        },
    ),
    f"{CORE}.ServiceAccount": kind(
        "",
        "v1",
        "ServiceAccount",
        "An identity for programs.",
        {
            "automountServiceAccountToken": boolean("Whether pods get a token without asking."),
            "imagePullSecrets": items(f"{CORE}.LocalObjectReference", "Secrets with which images are pulled."),
            "secrets": items(f"{CORE}.ObjectReference", "Secrets that pods may use.", keys=("name",), merge_key="name"),
        },
    ),
    f"{CORE}.LocalObjectReference": struct(
        "Names an object in the same namespace.", {"name": text_or_zero("Name of the object.")}, atomic=True
    ),
    f"{CORE}.ObjectReference": struct(
        "Names an object, and perhaps a part of it.",
        {
            "apiVersion": text("Group and version of the object."),
            "fieldPath": text("The part of the object that is meant, as a path."),
            "kind": text("Kind of the object."),
            "name": text("Name of the object."),
            "namespace": text("Namespace of the object."),
            "resourceVersion": text("Revision of the object that is meant."),
            "uid": text("UID of the object."),
        },
        atomic=True,
    ),
}

_SERVICE: Final[dict[str, Schema]] = {
    f"{CORE}.Service": kind(
        "",
        "v1",
        "Service",
        "A stable address for what runs behind it.",
        {
            "spec": embedded(f"{CORE}.ServiceSpec", "What is wanted."),
            "status": embedded(f"{CORE}.ServiceStatus", "What there is; set by the system."),
        },
    ),
    f"{CORE}.ServiceSpec": struct(
        "Ports, addresses, and where the traffic goes.",
        {
            "allocateLoadBalancerNodePorts": boolean("Whether a LoadBalancer gets node ports; true by default."),
            "clusterIP": text("Address inside the cluster; empty lets the server choose, `None` means headless."),
            "clusterIPs": texts("All addresses inside the cluster, at most one per family; the first is `clusterIP`."),
            "externalIPs": texts("Addresses outside the server's care that lead here too."),
            "externalName": text("DNS name to which an ExternalName service points."),
            "externalTrafficPolicy": text(
                "`Cluster` spreads traffic from outside, `Local` keeps it on its node.", "Cluster", "Local"
            ),
            "healthCheckNodePort": integer("Port on which nodes tell load balancers about their health."),
            "internalTrafficPolicy": text(
                "`Cluster` spreads traffic from inside, `Local` keeps it on its node.", "Cluster", "Local"
            ),
            "ipFamilies": {
                **texts("Address families in use."),
                "items": text_or_zero("One family.", "", "IPv4", "IPv6"),
            },
            "ipFamilyPolicy": text(
                "Whether there are addresses of one family or both.",
                "PreferDualStack",
                "RequireDualStack",
                "SingleStack",
            ),
            "loadBalancerClass": text("Which implementation of load balancers is meant."),
            "loadBalancerIP": text("Deprecated wish for a load balancer's address."),
            "loadBalancerSourceRanges": texts("CIDRs from which a load balancer accepts clients."),
            "ports": items(f"{CORE}.ServicePort", "The ports.", keys=("port", "protocol"), merge_key="port"),
            "publishNotReadyAddresses": boolean("Whether endpoints count that are not ready."),
            "selector": {
                **text_map("Labels of the pods behind the service."),
                "x-kubernetes-map-type": "atomic",
            },
            "sessionAffinity": text(
                "`ClientIP` sends a client to the same pod each time, `None` does not.", "ClientIP", "None"
            ),
            "sessionAffinityConfig": optional(f"{CORE}.SessionAffinityConfig", "Details of the affinity."),
            "trafficDistribution": text("Preference for near endpoints, as `PreferSameZone`."),
            "type": text("From where the service is reached.", "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
        },
    ),
    f"{CORE}.ServicePort": struct(
        "A port of a service.",
        {
            "appProtocol": text("Protocol of the application, as `kubernetes.io/h2c`."),
            "name": text("Name within the service; needed if there are several ports."),
            "nodePort": integer("Port on every node, for NodePort and LoadBalancer."),
            "port": integer_or_zero("The port."),
            "protocol": {**text("Transport.", *_PROTOCOLS), "default": "TCP"},
            "targetPort": optional(
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "Number or name of the pods' port."
            ),
        },
        required=("port",),
    ),
    f"{CORE}.SessionAffinityConfig": struct(
        "Details of the session affinity.",
        {"clientIP": optional(f"{CORE}.ClientIPConfig", "For affinity by client address.")},
    ),
    f"{CORE}.ClientIPConfig": struct(
        "Affinity by client address.",
        {"timeoutSeconds": integer("Seconds for which a client is remembered; 1 to 86400, 3 hours by default.")},
    ),
    f"{CORE}.ServiceStatus": struct(
        "What a service has got.",
        {
            "conditions": items(f"{META}.Condition", "State, aspect by aspect.", keys=("type",), merge_key="type"),
            "loadBalancer": embedded(f"{CORE}.LoadBalancerStatus", "State of the load balancer."),
        },
    ),
    f"{CORE}.LoadBalancerStatus": struct(
        "State of a load balancer.",
        {"ingress": items(f"{CORE}.LoadBalancerIngress", "Where clients reach it.")},
    ),
    f"{CORE}.LoadBalancerIngress": struct(
        "One way into a load balancer.",
        {
            "hostname": text("DNS name."),
            "ip": text("Address."),
            "ipMode": text("`VIP` or `Proxy`; how packets arrive."),
            "ports": items(f"{CORE}.PortStatus", "State of the ports."),
        },
    ),
    f"{CORE}.PortStatus": struct(
        "State of one port.",
        {
            "error": text("What is wrong with it."),
            "port": integer_or_zero("The port."),
            "protocol": text_or_zero("Transport.", *_PROTOCOLS),
        },
        required=("port", "protocol"),
    ),
}

_EVENT: Final[dict[str, Schema]] = {
    f"{CORE}.Event": kind(
        "",
        "v1",
        "Event",
        "Something that happened to an object; kept for a while.",
        {
            "action": text("What was done."),
            "count": integer("How often it happened."),
            "eventTime": micro_time("When it was first observed."),
            "firstTimestamp": time("When it first happened."),
            "involvedObject": embedded(f"{CORE}.ObjectReference", "The object."),
            "lastTimestamp": time("When it last happened."),
            "message": text("What happened, for people."),
            "reason": text("What happened, in one CamelCase word."),
            "related": optional(f"{CORE}.ObjectReference", "Another object that takes part."),
            "reportingComponent": text_or_zero("Name of the controller, as `example.com/controller`."),
            "reportingInstance": text_or_zero("Which of the controller's processes."),
            "series": optional(f"{CORE}.EventSeries", "Set if it happens again and again."),
            "source": embedded(f"{CORE}.EventSource", "Who reports."),
            "type": text("`Normal` or `Warning`."),
        },
        required=("metadata", "involvedObject"),
    ),
    f"{CORE}.EventSeries": struct(
        "Repetitions of an event.",
        {"count": integer("How often so far."), "lastObservedTime": micro_time("When it was last observed.")},
    ),
    f"{CORE}.EventSource": struct(
        "Who reports an event.",
        {"component": text("Name of the component."), "host": text("Node on which it runs.")},
    ),
}

COMPONENTS: Final[dict[str, Schema]] = {
    **_NAMESPACE,
    **_DATA,
    **_SERVICE,
    **_EVENT,
    **{
        f"{CORE}.{name}List": kind_list("", "v1", name, f"{CORE}.{name}")
        for name in ("Namespace", "Secret", "ConfigMap", "ServiceAccount", "Service", "Event")
    },
}
