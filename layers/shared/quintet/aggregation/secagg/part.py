"""What an owner computes and gives in each step, once it has checked what it was told.

Bonawitz et al., figure 4: the owner is u, the lists of clients U1 (advertised), U2 (shared), U3 (survivors) and U4
(confirmed); c and s are its keys for encryption and masking, b the seed of its own mask.
"""

from collections.abc import Mapping, Sequence

from quintet.aggregation.secagg import claims, masks, shamir, signatures
from quintet.aggregation.secagg.agreement import added, mask_key
from quintet.aggregation.secagg.binding import commitment
from quintet.aggregation.secagg.boxes import Held, opened, sealed
from quintet.aggregation.secagg.identity import Random, Roster, SigningKey
from quintet.aggregation.secagg.masks import Words
from quintet.aggregation.secagg.messages import Advertisement, Confirmation, MaskedInput, Shares, Unmasking
from quintet.aggregation.secagg.session_secrets import SessionSecrets
from quintet.aggregation.secagg.terms import Round, Terms


class Part:
    """One owner's part in one session. Each method is a step, to be called once, in this order (see `owner`).

    `need`: how many owners each round must be left with. Raises PermissionDenied, with the reason, before anything of
    a step is done, where what the server tells is not to be believed.
    """

    def __init__(
        self,
        client: str,
        identity: SigningKey,
        roster: Roster,
        terms: Terms,
        words: Words,
        *,
        need: int,
        random: Random,
    ) -> None:
        self._client, self._identity, self._roster, self._terms = client, identity, roster, terms
        self._digest, self._need, self._random = terms.digest, need, random
        self._words = words
        self._secrets = SessionSecrets(random)
        self._advertised: dict[str, Advertisement] = {}
        self._shared: tuple[str, ...] = ()
        self._survivors: tuple[str, ...] = ()

    def advertise(self) -> Advertisement:
        size = len(self._words)
        encryption = self._secrets.encryption.public_key().public_bytes_raw()
        masking = self._secrets.masking.public_key().public_bytes_raw()
        signature = self._signed("advertise", signatures.of_advertisement(size, encryption, masking))
        own = Advertisement(
            client=self._client, size=size, encryption_key=encryption, masking_key=masking, signature=signature
        )
        self._advertised = {self._client: own}
        return own

    def share(self, advertisements: Sequence[Advertisement]) -> Shares:
        what, clients = "the advertisements", [one.client for one in advertisements]
        claims.distinct(clients, what)
        claims.known(clients, self._terms.clients, what)
        claims.enough(len(clients), self._need, what)
        own = self._advertised[self._client]
        claims.advertised(advertisements, own, digest=self._digest, roster=self._roster)
        self._advertised = {one.client: one for one in advertisements}
        return self._sealed(self._dealt(sorted(clients)))

    def _dealt(self, clients: Sequence[str]) -> dict[str, Held]:
        """What each of U1 is to hold of this owner."""
        self._secrets.seed[:] = self._random(shamir.SECRET_BYTES)
        points, threshold = [self._terms.index(client) for client in clients], self._terms.threshold
        seeds = shamir.split(bytes(self._secrets.seed), points, threshold, self._random)
        keys = shamir.split(self._secrets.masking.private_bytes_raw(), points, threshold, self._random)
        return dict(zip(clients, map(Held, seeds, keys), strict=True))

    def _sealed(self, dealt: dict[str, Held]) -> Shares:
        self._secrets.held = {self._client: dealt.pop(self._client)}
        boxes = {client: self._box(client, held) for client, held in dealt.items()}
        bond = commitment(self._digest, self._client, bytes(self._secrets.seed))
        signature = self._signed("share", signatures.of_shares(bond, boxes))
        return Shares(client=self._client, commitment=bond, boxes=boxes, signature=signature)

    def _box(self, recipient: str, held: Held) -> bytes:
        private, public = self._secrets.encryption, self._advertised[recipient].encryption_key
        return sealed(private, public, self._digest, sender=self._client, recipient=recipient, held=held)

    def mask(self, boxes: Mapping[str, bytes]) -> MaskedInput:
        claims.boxed(boxes, self._client, self._advertised)
        claims.enough(len(boxes) + 1, self._need, "the boxes, with its own,")
        self._shared = tuple(sorted([*boxes, self._client]))
        for sender, box in boxes.items():
            self._open(sender, box)
        self._add_masks()
        self._secrets.forget_masks()
        words = self._words.tobytes()
        return MaskedInput(client=self._client, words=words, signature=self._signed("mask", signatures.of_words(words)))

    def _open(self, sender: str, box: bytes) -> None:
        """Whose box can't be opened is left out of what this owner gives shares of."""
        private, public = self._secrets.encryption, self._advertised[sender].encryption_key
        held = opened(private, public, self._digest, sender=sender, recipient=self._client, box=box)
        if held:
            self._secrets.held[sender] = held

    def _add_masks(self) -> None:
        """y = x + PRG(b) + Σ ±PRG(s with each other of U2), modulo 2^64."""
        masks.add(self._words, bytes(self._secrets.seed), 1)
        for other in self._shared:
            if other != self._client:
                public = self._advertised[other].masking_key
                key = mask_key(self._secrets.masking, public, self._digest, self._client, other)
                masks.add(self._words, key, 1 if added(self._client, other) else -1)

    def confirm(self, survivors: Sequence[str]) -> Confirmation:
        what = "the survivors"
        claims.distinct(survivors, what)
        claims.known(survivors, self._shared, what)
        claims.enough(len(survivors), self._need, what)
        self._survivors = tuple(sorted(survivors))
        signature = self._signed("confirm", signatures.of_survivors(self._survivors))
        return Confirmation(client=self._client, signature=signature)

    def unmask(self, confirmations: Sequence[Confirmation]) -> Unmasking:
        what, clients = "the confirmations", [one.client for one in confirmations]
        claims.distinct(clients, what)
        claims.known(clients, self._survivors, what)
        claims.enough(len(clients), self._terms.threshold, what)
        claims.confirmed(confirmations, self._survivors, digest=self._digest, roster=self._roster)
        held, dropped = self._secrets.held, sorted(set(self._shared) - set(self._survivors))
        seeds = {client: held[client].seed for client in self._survivors if client in held}
        keys = {client: held[client].key for client in dropped if client in held}
        self.forget()
        signature = self._signed("unmask", signatures.of_unmasking(seeds, keys))
        return Unmasking(client=self._client, seed_shares=seeds, key_shares=keys, signature=signature)

    def forget(self) -> None:
        """Nothing of the others can be given from now on."""
        self._secrets.forget_shares()

    def _signed(self, round_: Round, content: bytes) -> bytes:
        return self._identity.sign(signatures.statement(round_, self._digest, self._client, content))

    def __repr__(self) -> str:
        return f"Part({self._client!r})"
