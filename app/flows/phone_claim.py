"""The phone a shopper holds is known as somebody else's: are they that person, or do they have its number now?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from app.core import audit, clock, ids
from app.core.errors import Conflict, NotFound, TooManyRequests
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.models import PhoneClaim
from app.identity.rules import Identity, over_limit, proof_clash
from app.members import commands as members
from app.members import queries as member_queries
from app.members.models import Member

from . import bind_phone, merge, phone_rules

DAY = timedelta(days=1)


class ClaimUnknown(NotFound):
    code, message = "not_found", "There is no such claim."


class ClaimClosed(Conflict):
    code, message = "claim_closed", "The claim is over; bind the phone again."


@dataclass(frozen=True)
class Answered:
    """`status`: merged, moved, review (a human will look) or refused (the proof is wrong; `tries_left` more may be
    given). `member`: the shopper's, where they have the phone now.
    """

    status: str
    member: Member | None = None
    tries_left: int = 0


def answer(
    *,
    brand_id: int,
    person_id: int,
    claim_id: int,
    mine: bool,
    card_no: str | None = None,
    birthday: date | None = None,
    name: str | None = None,
) -> Answered:
    """Take the shopper's answer to a claim of theirs. The transaction must be committed whatever comes out.

    `mine` with the right proof makes the two persons one, or, where WeChat or a human said that they are two, leaves it
    to a human who sees the proof. Not `mine` moves the number alone: the wallet stays with the member it belongs to,
    who has that phone no more. Raises ClaimUnknown, ClaimClosed, TooManyRequests.
    """
    claim = identity_queries.claim(brand_id, claim_id)
    if claim is None or identity_queries.resolve(claim.claimant_id) != identity_queries.resolve(person_id):
        raise ClaimUnknown()
    claimant, holder = identity.hold_both(claim.claimant_id, claim.holder_id)
    claim = identity_queries.claim(brand_id, claim_id)
    assert claim is not None
    number = identity_queries.claimed_number(claim)
    old = clock.now() - claim.created_at > phone_rules.CLAIM_LIFE
    if claim.status != "open" or old or identity_queries.person_of(number) != holder or claimant == holder:
        raise ClaimClosed()
    case = _Case(claim, claimant, holder, number)
    if mine:
        return case.prove(card_no or "", birthday, name)
    return case.move()


@dataclass(frozen=True)
class _Case:
    claim: PhoneClaim
    claimant: int
    holder: int
    number: Identity

    def prove(self, card_no: str, birthday: date | None, name: str | None) -> Answered:
        """The shopper says that the record is theirs."""
        held = bind_phone.held(self.claim.brand_id, self.holder)
        if not held.proofs:
            return self._review("unproved")
        if identity_queries.tries_since(self.holder, clock.now() - DAY) >= phone_rules.MOST_TRIES_A_DAY:
            raise TooManyRequests(retry_after=DAY.total_seconds())
        tries = identity.count_try(
            brand_id=self.claim.brand_id, claim_id=self.claim.claim_id, most=phone_rules.MOST_TRIES
        )
        if tries is None:
            raise ClaimClosed()
        if not phone_rules.proves(held, card_no=card_no, birthday=birthday, name=name):
            left = phone_rules.MOST_TRIES - tries
            return Answered("refused", tries_left=left) if left else self._review("proof_failed")
        keys = identity_queries.keys_of([self.claimant, self.holder])
        if self.claim.reason == "kept_apart" or proof_clash(keys[self.claimant], keys[self.holder]) is not None:
            return self._review("proved")
        given = [one for one, told in (("card_no", card_no), ("birthday", birthday), ("name", name)) if told]
        person_id = merge.merge(
            brand_id=self.claim.brand_id,
            person_id=self.claimant,
            other_id=self.holder,
            source=bind_phone.SOURCE,
            by=ids.encode("prs", self.claimant),
            evidence={"claim": self.claim.claim_id, "proof": given},
        )
        return self._end("merged", person_id)

    def move(self) -> Answered:
        """The shopper says that the number was somebody else's before: it moves, and nothing else does."""
        brand_id, since = self.claim.brand_id, clock.now() - phone_rules.MOVES_WITHIN
        before = bind_phone.replaced(brand_id, self.claimant, self.number)
        mine = identity_queries.keys_of([self.claimant])[self.claimant] - {before.key if before is not None else None}
        moves = identity_queries.releases_of(self.number, reason="recycled", since=since)
        if moves >= phone_rules.MOST_MOVES or over_limit({*mine, self.number.key}) is not None:
            return self._review("moved_often")
        bind_phone.let_go(before)
        evidence = {"claim": self.claim.claim_id}
        identity.move(
            identity=self.number,
            person_id=self.claimant,
            source=bind_phone.SOURCE,
            reason="recycled",
            evidence=evidence,
        )
        identity.remember_apart(
            self.claimant,
            self.holder,
            why="not_mine",
            evidence=evidence,
            by=ids.encode("prs", self.claimant),
            reason="",
            brand_id=brand_id,
        )
        other = identity_queries.phone_of(self.holder)
        for one in member_queries.memberships(self.holder):
            if one.phone_tail == self.number.value[-4:]:
                members.change_phone(
                    brand_id=one.brand_id,
                    member_id=one.member_id,
                    phone_tail=other[-4:] if other is not None else None,
                    change="lost",
                )
        return self._end("moved", self.claimant)

    def _end(self, status: str, person_id: int) -> Answered:
        member = bind_phone.settle(brand_id=self.claim.brand_id, person_id=person_id, number=self.number)
        self._close(status)
        return Answered(status, member)

    def _review(self, outcome: str) -> Answered:
        identity.put_up(
            self.claimant,
            self.holder,
            reason=self.claim.reason,
            evidence={
                "source": bind_phone.SOURCE,
                "claim": self.claim.claim_id,
                "proof": outcome,
                "by": [self.number.kind, self.number.namespace],
            },
            brand_id=self.claim.brand_id,
            afresh=True,
        )
        self._close("review")
        return Answered("review")

    def _close(self, status: str) -> None:
        identity.close_claim(brand_id=self.claim.brand_id, claim_id=self.claim.claim_id, status=status)
        audit.record(
            actor=ids.encode("prs", self.claimant),
            action=f"phone.{status}",
            subject=ids.encode("prs", self.holder),
            claim=ids.encode("clm", self.claim.claim_id),
            reason=self.claim.reason,
        )
