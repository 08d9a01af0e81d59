"""The exports of vendor_exports as other countries, units and spreadsheets have them, and Nightscout's own JSON.

The headers are those that LibreView and Clarity write, so far as public code that reads them shows. What it does not
show is translated here: readers know columns by their places.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

from tests.glucose.vendor_exports import MARKS, Moment, dexcom, libre

LIBREVIEW_NAMES = {
    "German": (
        "Gerät,Seriennummer,Gerätezeitstempel,Aufzeichnungstyp,Glukosewert-Verlauf {0},Glukose-Scan {0},"
        "Nicht numerisches schnellwirkendes Insulin,Schnellwirkendes Insulin (Einheiten),Nicht numerische "
        "Nahrungsdaten,Kohlenhydrate (Gramm),Kohlenhydrate (Portionen),Nicht numerisches Depotinsulin,Depotinsulin "
        "(Einheiten),Notizen,Glukose-Teststreifen {0},Keton mmol/L,Mahlzeiteninsulin (Einheiten),Korrekturinsulin "
        "(Einheiten),Insulin-Änderung durch Anwender (Einheiten)"
    ),
    "Swedish": (
        "Enhet,Serienummer,Enhetens tidsstämpel,Registertyp,Historiskt glukosvärde {0},Skanna glukosvärde {0},"
        "Icke-numeriskt snabbverkande insulin,Snabbverkande insulin (enheter),Icke-numerisk mat,Kolhydrater (gram),"
        "Kolhydrater (portioner),Icke-numeriskt långtidsverkande insulin,Långtidsverkande insulin (enheter),"
        "Anteckningar,Glukossticka {0},Keton mmol/L,Måltidsinsulin (enheter),Korrigeringsinsulin (enheter),"
        "Användarändrat insulin (enheter)"
    ),
    "Dutch": (
        "Apparaat,Serienummer,Tijdstempel apparaat,Gegevenstype,Historische glucose {0},Scan Glucose {0},"
        "Niet-numerieke snelwerkende insuline,Snelwerkende insuline (eenheden),Niet-numeriek voedsel,Koolhydraten "
        "(gram),Koolhydraten (porties),Niet-numerieke langwerkende insuline,Langwerkende insuline (eenheden),Notities,"
        "Strip Glucose {0},Keton mmol/L,Maaltijdinsuline (eenheden),Correctie insuline (eenheden),Wijzigen insuline "
        "gebruiker (eenheden)"
    ),
    "French": (
        "Appareil,Numéro de série,Horodatage de l'appareil,Type d'enregistrement,Historique de la glycémie {0},"
        "Numérisation de la glycémie {0},Insuline à action rapide sans valeur numérique,Insuline à action rapide "
        "(unités),Alimentation sans valeur numérique,Glucides (grammes),Glucides (portions),Insuline à action longue "
        "sans valeur numérique,Insuline à action longue (unités),Notes,Bandelette de glycémie {0},Cétone mmol/L,"
        "Insuline du repas (unités),Insuline de correction (unités),Modification d'insuline (unités)"
    ),
    "Spanish": (
        "Dispositivo,Número de serial,Sello de tiempo del dispositivo,Tipo de registro,Historial de glucosa {0},"
        "Escaneo de glucosa {0},Insulina de acción rápida no numérica,Insulina de acción rápida (unidades),Alimentos "
        "no numéricos,Carbohidratos (gramos),Carbohidratos (porciones),Insulina de acción larga no numérica,Insulina "
        "de acción larga (unidades),Notas,Tira reactiva para glucosa {0},Cetona mmol/L,Insulina de comida (unidades),"
        "Insulina de corrección (unidades),Cambio de insulina del usuario (unidades)"
    ),
    "Italian": (
        "Dispositivo,Numero di serie,Timestamp del dispositivo,Tipo di registrazione,Storico del glucosio {0},"
        "Scansione del glucosio {0},Insulina ad azione rapida non numerica,Insulina ad azione rapida (unità),Alimenti "
        "non numerici,Carboidrati (grammi),Carboidrati (porzioni),Insulina ad effetto prolungato non numerica,Insulina "
        "ad effetto prolungato (unità),Note,Striscia per glucosio {0},Chetone mmol/L,Insulina per pasto (unità),"
        "Insulina di correzione (unità),Insulina modificata dall'utente (unità)"
    ),
    "Portuguese": (
        "Dispositivo,Número de série,Carimbo de data/hora do dispositivo,Tipo de registro,Histórico de glicose {0},"
        "Analisar glicose {0},Insulina de ação rápida não numérica,Insulina de ação rápida (unidades),Alimento não "
        "numérico,Carboidratos (gramas),Carboidratos (porções),Insulina de ação prolongada não numérica,Insulina de "
        "ação prolongada (unidades),Notas,Tira de glicose {0},Cetona mmol/L,Insulina de refeição (unidades),Insulina "
        "de correção (unidades),Alteração de insulina pelo usuário (unidades)"
    ),
    "none we know": "A,B,C,D,E {0},F {0},G,H,I,J,K,L,M,N,O {0},P mmol/L,Q,R,S",
}
CLARITY_WORDS = {
    "German": (
        "Zeitstempel (JJJJ-MM-TTThh:mm:ss)|Glukosewert ({0})|Insulinwert (E)|Kohlenhydratwert (Gramm)",
        {"EGV": "EGW", "Insulin": "Insulin", "Carbs": "Kohlenhydrate", "Exercise": "Bewegung", "Calibration": "Kalib."},
        {"High": "Hoch", "Low": "Niedrig", "Long-Acting": "Langwirkend", "Fast-Acting": "Schnellwirkend"},
    ),
    "Spanish": (
        "Marca temporal (AAAA-MM-DDThh:mm:ss)|Nivel de glucosa ({0})|Nivel de insulina (u)|Nivel de carbohidratos",
        {"EGV": "Niveles estimados de glucosa", "Insulin": "Insulina", "Carbs": "Carbohidratos", "Exercise": "Deporte"},
        {"High": "Alto", "Low": "Bajo", "Long-Acting": "Acción prolongada", "Fast-Acting": "Acción rápida"},
    ),
    "Italian": (
        "Data e ora (AAAA-MM-GGThh:mm:ss)|Valore del glucosio ({0})|Valore dell'insulina (u)|Valore dei carboidrati",
        {"EGV": "VEG", "Insulin": "Insulina", "Carbs": "Carboidrati", "Exercise": "Esercizio"},
        {"High": "Alto", "Low": "Basso", "Long-Acting": "Azione prolungata", "Fast-Acting": "Azione rapida"},
    ),
    "French": (
        "Horodatage (AAAA-MM-JJThh:mm:ss)|Valeur du glucose ({0})|Valeur d'insuline (u)|Valeur de glucides (grammes)",
        {"EGV": "Glucose estimé", "Insulin": "Insuline", "Carbs": "Glucides", "Exercise": "Exercice"},
        {"High": "Élevé", "Low": "Bas", "Long-Acting": "Action lente", "Fast-Acting": "Action rapide"},
    ),
}


def rewritten(
    content: bytes,
    change: Callable[[int, list[str]], list[str]],
    *,
    from_delimiter: str = ",",
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> bytes:
    """The same table after `change` of each row, given its number and its cells."""
    text = content.decode()
    for mark in MARKS:
        text = text.removeprefix(mark)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=from_delimiter)
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(change(place, row) for place, row in enumerate(rows))
    return written.getvalue().encode(encoding)


def libreview_in(language: str, seed: int, *, mmol: bool = False) -> tuple[bytes, bytes]:
    """An export in English, and the same in another language."""
    english = libre(seed, mmol=mmol)
    names = LIBREVIEW_NAMES[language].format("mmol/L" if mmol else "mg/dL").split(",")

    def translated(place: int, row: list[str]) -> list[str]:
        return [*names, *row[len(names) :]] if place == 1 else row

    return english, rewritten(english, translated)


def clarity_in(language: str, seed: int, *, mmol: bool = False) -> tuple[bytes, bytes]:
    """An export in English without intensities of exercise, and the same in another language, with semicolons."""
    header, kinds, words = CLARITY_WORDS[language]
    time, *values = header.format("mmol/l" if mmol else "mg/dl").split("|")
    english = rewritten(dexcom(seed, mmol=mmol), lambda _, row: without_intensity(row))

    def translated(place: int, row: list[str]) -> list[str]:
        if place == 0:
            return ["Index", time, "Typ", "Untertyp", "?", "?", "?", *values, *(f"{name} ?" for name in row[10:])]
        kind, subtype, glucose = row[2].replace("egv", "EGV").replace("Fasting Glucose", "EGV"), row[3], row[7]
        amounts = [cell.replace(".", ",") for cell in (words.get(glucose, glucose), *row[8:10])]
        return [*row[:2], kinds.get(kind, kind), words.get(subtype, subtype), *row[4:7], *amounts, *row[10:]]

    return english, rewritten(english, translated, delimiter=";")


def without_intensity(row: list[str]) -> list[str]:
    if row[2] not in ("Exercise", "Activity"):
        return [*row[:7], row[7].replace("high", "High"), *row[8:]]
    return [*row[:2], "Exercise", "", *row[4:10], row[10] or "0:10:00", *row[11:]]


def in_mmol(content: bytes, delimiter: str = ",") -> bytes:
    """The same table, its columns of glucose in mmol/L with four decimals."""
    places: set[int] = set()

    def converted(_: int, row: list[str]) -> list[str]:
        found = {place for place, cell in enumerate(row) if "mg/dL" in cell or cell in ("glucose", "original_glucose")}
        places.update(found)
        if found:
            return [cell.replace("mg/dL", "mmol/L") for cell in row]
        return [level_in_mmol(cell) if place in places else cell for place, cell in enumerate(row)]

    return rewritten(content, converted, from_delimiter=delimiter, delimiter=delimiter)


def level_in_mmol(cell: str) -> str:
    try:
        return f"{float(cell.replace(',', '.')) / 18.0182:.4f}"
    except ValueError:
        return cell


def by_spreadsheet(content: bytes, delimiter: str = ",") -> bytes:
    """As a spreadsheet saves it where decimals have a comma: semicolons, rows of one length, its own first line."""
    width = max(len(row) for row in csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))

    def saved(_: int, row: list[str]) -> list[str]:
        cells = [cell.replace(".", ",") if re.fullmatch(r"\d+\.\d+", cell) else cell for cell in row]
        return cells + [""] * (width - len(cells))

    table = rewritten(content, saved, from_delimiter=delimiter, delimiter=";").decode()
    return ("sep=;\r\n" + table).encode("utf-16")


def entries(moments: list[Moment], offset: Callable[[datetime], int] = lambda _: 0) -> bytes:
    """Nightscout's `entries` of readings whose time is UTC; `offset`: the wall clock's minutes ahead of it."""
    return json.dumps([entry(moment, offset(moment.time)) for moment in moments if moment.kind == "reading"]).encode()


def entry(moment: Moment, offset: int) -> dict[str, object]:
    return {
        "_id": "65a1",
        "type": "sgv",
        "sgv": round(moment.value),
        "date": int(moment.time.replace(tzinfo=UTC).timestamp() * 1000),
        "dateString": f"{moment.time:%Y-%m-%dT%H:%M:%S}.000Z",
        "utcOffset": offset,
        "direction": "Flat",
        "device": "xDrip",
    }
