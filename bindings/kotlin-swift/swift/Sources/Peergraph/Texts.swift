import PeergraphCore

extension Ticket {
    /// The ticket of a text. Throws `InvalidTicket`.
    public init(_ text: String) throws(PeergraphError) {
        self = try at { try nativeTicket(text: text) }
    }
}

extension Invitation {
    /// The invitation of a text. Throws `InvalidInvitation`.
    public init(_ text: String) throws(PeergraphError) {
        self = try at { try nativeInvitation(text: text) }
    }

    /// The invitation as a QR code in SVG. Whoever can see the code has the invitation. Throws `TooLarge`.
    public func qrSvg() throws(PeergraphError) -> String {
        try at { try nativeQrSvg(text: text) }
    }

    /// The invitation as a QR code for a terminal of at least 75 columns. Throws `TooLarge`.
    public func qrText() throws(PeergraphError) -> String {
        try at { try nativeQrText(text: text) }
    }
}

extension IdentityDescription {
    /// The description of a text. Throws `InvalidArgument`.
    public init(_ text: String) throws(PeergraphError) {
        self = try at { try nativeDescription(text: text) }
    }
}

extension PeerName {
    /// The name of a text. Throws `InvalidArgument`, `TooLarge`.
    public init(_ text: String) throws(PeergraphError) {
        self = try at { try nativePeerName(text: text) }
    }

    /// The name of an identity. Throws `TooLarge` above 149 characters, `InvalidArgument` for control characters.
    public static func secured(_ peer: PeerId, classifier: String? = nil) throws(PeergraphError) -> PeerName {
        try at { try nativeSecuredName(peer: peer, classifier: classifier) }
    }

    /// A name that anybody may bear. Throws as `secured`, and `InvalidArgument` for an empty classifier.
    public static func unsecured(_ classifier: String) throws(PeergraphError) -> PeerName {
        try at { try nativeUnsecuredName(classifier: classifier) }
    }

    /// Another name of the same authority. Makes no identity. Throws as `secured`.
    public func derive(_ classifier: String? = nil) throws(PeergraphError) -> PeerName {
        try at { try nativeDerivedName(name: text, classifier: classifier) }
    }

    /// True if its bearer can prove it.
    public var isSecured: Bool { peer != nil }
}

/// By rank: the owner is the highest.
extension Role: Comparable {
    private var rank: Int {
        switch self {
        case .reader: 0
        case .member: 1
        case .inviter: 2
        case .admin: 3
        case .owner: 4
        }
    }

    public static func < (one: Role, other: Role) -> Bool { one.rank < other.rank }
}

extension Role {
    /// True if a holder of this role may hand out another.
    public func mayGrant(_ other: Role) -> Bool {
        nativeMayGrant(holder: self, other: other)
    }
}

extension MemberInfo {
    /// True if one of its nodes is here.
    public var isPresent: Bool { !nodes.isEmpty }
}
