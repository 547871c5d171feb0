package io.github.peergraph

/** What people hand to each other as text, read from it. */
public object Texts {
    /** Throws [PeergraphException.InvalidTicket]. */
    public fun ticket(text: String): Ticket = nativeTicket(text("text", text))

    /** Throws [PeergraphException.InvalidInvitation]. */
    public fun invitation(text: String): Invitation = nativeInvitation(text("text", text))

    /** Throws [PeergraphException.InvalidArgument]. */
    public fun description(text: String): IdentityDescription = nativeDescription(text("text", text))

    /** Throws [PeergraphException.InvalidArgument] or [PeergraphException.TooLarge]. */
    public fun peerName(text: String): PeerName = nativePeerName(text("text", text))
}

/** The invitation as a QR code in SVG. Whoever can see the code has the invitation. Throws [PeergraphException.TooLarge]. */
public fun Invitation.qrSvg(): String = nativeQrSvg(text("text", text))

/** The invitation as a QR code for a terminal of at least 75 columns. Throws [PeergraphException.TooLarge]. */
public fun Invitation.qrText(): String = nativeQrText(text("text", text))

/** The name of an identity. Throws [PeergraphException.TooLarge], [PeergraphException.InvalidArgument]. */
public fun securedName(peer: PeerId, classifier: String? = null): PeerName = nativeSecuredName(peer, classifier?.let { text("classifier", it) })

/** A name that anybody may bear. Throws as [securedName]. */
public fun unsecuredName(classifier: String): PeerName = nativeUnsecuredName(text("classifier", classifier))

/** Another name of the same authority. Makes no identity. Throws as [securedName]. */
public fun PeerName.derive(classifier: String? = null): PeerName =
    nativeDerivedName(text("name", text), classifier?.let { text("classifier", it) })

/** True if its bearer can prove it. */
public val PeerName.isSecured: Boolean get() = peer != null
