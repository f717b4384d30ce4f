"""``nearfield audit``: is everything that was accepted where it should be?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import data_dir_option, json_option, read_settings
from cli.output import clean, columns, print_json, progress
from services.errors import NearfieldError, NotFound

if TYPE_CHECKING:
    from cli.offline import Attached
    from services.audit.audit import Instance
    from services.audit.values import AuditReport, Finding
    from services.settings import Settings

COULD_NOT_LOOK = 2


@click.command("audit")
@click.argument("collection", required=False)
@click.option("--repair", is_flag=True, help="Heal what is found, then look again.")
@click.option("--quick", is_flag=True, help="Do not read the stored originals through.")
@data_dir_option
@click.option(
    "--patience", type=click.FloatRange(0, 3600), help="Seconds between two looks at what a repair would remove."
)
@json_option
def command(
    collection: str | None, repair: bool, quick: bool, data_dir: Path | None, patience: float | None, as_json: bool
) -> None:
    """Compare what was accepted with what can be found, in all collections or in COLLECTION.

    Works while the instance runs (it only reads, in small steps, and looks twice before it calls something wrong) and
    while it does not. Says for every finding what --repair would do.

    Exit codes: 0 nothing is wrong; 1 findings are left; 2 it could not look.
    """
    settings = read_settings(data_dir=data_dir)
    waited = settings.lease_ms / 1000 * 1.2 if patience is None else patience
    try:
        report, healed = _audit(settings, collection, waited, repair=repair, verify=not quick, as_json=as_json)
    except NotFound:
        raise
    except NearfieldError as error:
        from cli.main import tell

        tell(error, as_json=as_json)
        raise click.exceptions.Exit(COULD_NOT_LOOK) from error
    if as_json:
        print_json(_as_json(report, healed))
    else:
        _show(report, healed, repair=repair)
    if not report.clean:
        raise click.exceptions.Exit(1)


def _audit(
    settings: Settings, name: str | None, patience: float, *, repair: bool, verify: bool, as_json: bool
) -> tuple[AuditReport, list[tuple[Finding, int]]]:
    from cli.offline import attached
    from services.audit.audit import Audit
    from services.audit.repair import Repair

    with attached(settings) as place, progress(wanted=not as_json) as bars:
        instance = _instance(place)
        store = place.services.collections
        chosen = [store.get(name)] if name else store.list()
        audit = Audit(instance, patience_s=patience, verify=verify, progress=bars.update)
        report = audit.run(chosen, whole=name is None)
        healed: list[tuple[Finding, int]] = []
        if repair and report.findings:
            mender = Repair(instance, chosen)
            healed = [(finding, mender.heal(finding)) for finding in report.findings]
            report = audit.run(chosen, whole=name is None)
    return report, healed


def _instance(place: Attached) -> Instance:
    from services.audit.audit import Instance
    from services.index.clearing import IndexClearing

    services = place.services
    return Instance(
        ledger=services.ledger,
        index=services.index,
        clearing=IndexClearing(services.index_client),
        envelopes=services.envelopes,
        descriptions=services.descriptions,
        extracted=services.settings.data_dir / "extracted",
    )


def _as_json(report: AuditReport, healed: list[tuple[Finding, int]]) -> dict[str, object]:
    from services.audit.words import remedy, what

    def finding_json(finding: Finding) -> dict[str, object]:
        return {
            "kind": finding.kind.value,
            "collection": finding.collection or None,
            "count": finding.count,
            "examples": list(finding.examples),
            "what": what(finding),
            "repair": remedy(finding),
        }

    return {
        "clean": report.clean,
        "collections": [asdict(figures) for figures in report.collections],
        "envelopes": asdict(report.envelopes),
        "findings": [finding_json(finding) for finding in report.findings],
        "repaired": [{**finding_json(finding), "done": done} for finding, done in healed],
    }


def _show(report: AuditReport, healed: list[tuple[Finding, int]], *, repair: bool) -> None:
    from services.audit.words import remedy, what

    rows = [("COLLECTION", "ACCEPTED", "READY", "FAILED", "EMBEDDED", "SEARCHABLE", "CHUNKS")]
    rows += [
        (
            figures.name,
            f"{figures.accepted:,}",
            f"{figures.states.get('ready', 0):,}",
            f"{figures.states.get('failed', 0):,}",
            f"{figures.embedded:,}",
            f"{figures.searchable:,}",
            f"{figures.chunks_keys:,}",
        )
        for figures in report.collections
    ]
    click.echo(columns(rows, indent=""))
    kept = report.envelopes
    if kept.files or kept.referenced:
        seen = "all read through" if kept.verified else "not read through"
        click.echo(
            f"\n{kept.referenced:,} envelopes in use ({seen}), {kept.unreferenced:,} waiting to be cleared"
            + (f", the oldest for {kept.oldest_unreferenced_s / 3600:.1f} h" if kept.unreferenced else "")
        )
    for finding, done in healed:
        click.echo(f"\nrepaired: {clean(what(finding))}: {remedy(finding)} ({done:,})")
    if report.clean:
        click.echo("\nNothing is wrong.")
        return
    click.echo("\nStill wrong:" if repair else "\nWrong:")
    for finding in report.findings:
        click.echo(f"  {clean(what(finding))}\n    --repair: {remedy(finding)}")
