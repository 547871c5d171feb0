// What holds a secret is printed, dumped and reflected without it.

extension KeyProtection: CustomStringConvertible, CustomReflectable {
    public var description: String {
        switch self {
        case .plain: "plain"
        case .passphrase: "passphrase(..)"
        case .key: "key(..)"
        }
    }
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .enum) }
}

extension Ticket: CustomStringConvertible, CustomReflectable {
    public var description: String { debugDescription }
    public var customMirror: Mirror {
        Mirror(self, children: ["graph": graph, "nodes": nodes], displayStyle: .struct)
    }
}

extension Invitation: CustomStringConvertible, CustomReflectable {
    public var description: String { debugDescription }
    public var customMirror: Mirror {
        Mirror(
            self,
            children: [
                "group": group, "groupName": groupName, "issuer": issuer, "issuerName": issuerName, "role": role,
                "notBefore": notBefore, "notAfter": notAfter as Any, "kind": kind, "subject": subject as Any,
                "uses": uses as Any, "nodes": nodes,
            ], displayStyle: .struct)
    }
}

extension NativeConfig: CustomReflectable {
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

extension NativeJoin: CustomReflectable {
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

extension NativeTarget: CustomReflectable {
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .enum) }
}
