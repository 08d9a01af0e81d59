"""The words of a report in Spanish, the original service's language."""

from collections.abc import Mapping

from quintet.calibration.texts import ENGLISH, Texts

SPANISH = Texts(
    language="es",
    title="Informe de evaluación de incertidumbre",
    subtitle="Hasta dónde se puede confiar en las probabilidades del modelo",
    code="Informe",
    issued="Emitido",
    page="página {page}",
    satisfactory="SATISFACTORIO",
    needs_review="REQUIERE REVISIÓN",
    verdict="Dictamen",
    met="sí",
    not_met="no",
    not_judged="sin juzgar",
    verdict_satisfactory="El modelo cumple con todo lo que se le pide.",
    verdict_review="No conviene confiar en el modelo tal como está; los motivos figuran junto a cada pregunta.",
    verdict_nothing="No hay con qué juzgar el modelo.",
    question="Pregunta",
    answer="Respuesta",
    reason="Motivo",
    criteria={"complete": "Completo", "valid": "Válido", "safe": "Seguro", "useful": "Útil"},
    reasons={
        "ALL_JOINED": "Cada lote llegó con sus probabilidades.",
        "NOT_COMPLETE": "La sesión no llegó a su fin, de modo que sus cifras son, si acaso, de parte de los datos.",
        "COVERAGE_KEPT": "Los conjuntos de predicción contienen la clase verdadera del {coverage} de las muestras; "
        "1 − α pide {target}.",
        "COVERAGE_SHORT": "Los conjuntos de predicción contienen la clase verdadera de solo el {coverage} de las "
        "muestras; 1 − α pide {target}.",
        "COVERAGE_UNKNOWN": "No se conoce la cobertura: ningún lote llegó a la etapa de los conjuntos de predicción.",
        "UNCERTAINTY_WITHIN": "La cota superior de la incertidumbre es {uncertainty}, dentro de α = {alpha}.",
        "UNCERTAINTY_BEYOND": "La cota superior de la incertidumbre es {uncertainty}, más que α = {alpha}. Solo se "
        "mantiene dentro si todo conjunto que contiene la clase verdadera no contiene otra.",
        "UNCERTAINTY_UNKNOWN": "No se conoce la incertidumbre: ningún lote llegó a la etapa que la estima.",
        "ACCURACY_ENOUGH": "El {accuracy} de las predicciones es correcto; se pide al menos {least}.",
        "ACCURACY_LOW": "Solo el {accuracy} de las predicciones es correcto; se pide al menos {least}.",
        "ACCURACY_UNKNOWN": "No se conoce la exactitud: no se juzgó ninguna muestra.",
        "SETS_TELLING": "El mayor conjunto de predicción contiene {size} de {classes} clases: todos excluyen algo.",
        "SETS_TRIVIAL": "El mayor conjunto de predicción contiene {size} de {classes} clases y no excluye nada; se "
        "admiten {most} a lo sumo.",
        "SETS_UNKNOWN": "No se conoce el tamaño de los conjuntos de predicción: ningún lote llegó a su etapa.",
    },
    session="Sesión",
    client="Cliente",
    state="Estado",
    why="Por qué",
    states={"OPEN": "En curso", "COMPLETED": "Completada", "TIMED_OUT": "Vencida", "FAILED": "Fallida"},
    registered="Registrada",
    ended="Terminada",
    model_type="Tipo de modelo",
    inputs_format="Forma de las entradas",
    outputs_format="Forma de las salidas",
    batches="Lotes reunidos",
    samples="Muestras",
    classes="Clases",
    no_result="No se evaluó ningún lote, por lo que este informe no contiene cifras.",
    partial="La sesión no llegó a su fin; las cifras que siguen son de lo reunido hasta entonces.",
    deliveries="Qué llegó y qué no",
    all_came="No falta nada: cada lote llegó con sus probabilidades, y ambos flujos con su final.",
    missing_inputs="Lotes cuyas etiquetas nunca llegaron ({count}): {indexes}.",
    missing_outputs="Lotes cuyas probabilidades nunca llegaron ({count}): {indexes}.",
    no_end_inputs="Ningún lote de etiquetas venía marcado como el último.",
    no_end_outputs="Nunca se avisó el final de las probabilidades.",
    conflicts="Lo que volvió a llegar con otro contenido, o después de lo que se dio por último ({count}): {indexes}. "
    "Vale el primer contenido; si es el correcto, solo lo sabe quien lo envió.",
    conflict_sides={"inputs": "etiquetas del lote", "outputs": "probabilidades del lote"},
    unlabelled="Lotes sin etiquetas, cuyas probabilidades no se pueden juzgar: {count}.",
    duplicates="Mensajes que repitieron lo sabido y no cambiaron nada: {count}.",
    strays="Mensajes de otra sesión, que se apartaron: {count}.",
    trouble="Problema",
    and_more="y {count} más",
    uncertainty="Incertidumbre",
    uncertainty_intro="U-TraCE, un método de predicción conformal: los primeros {calibration} lotes reúnen puntajes de "
    "conformidad, los siguientes {estimation} estiman una cota superior U de la incertidumbre y su α, y cada muestra "
    "del resto recibe un conjunto de predicción, que debe contener la clase verdadera con probabilidad 1 − α.",
    figure="Cifra",
    value="Valor",
    asked="Se pide",
    accuracy="Exactitud en los lotes con conjuntos",
    coverage="Cobertura empírica",
    bound="Cota superior de la incertidumbre, U",
    alpha="Nivel de significancia, α",
    set_size="Mayor conjunto de predicción, clases",
    quantile="Umbral de los puntajes",
    score="Puntaje de conformidad",
    scores={"lac": "LAC: 1 − p", "aps": "APS: p acumulada"},
    calibration_rows="Muestras de calibración",
    smallest_alpha="Menor α que permiten distinguir",
    unknown="no se conoce",
    weaknesses={
        "no_calibration": "No llegó ninguna muestra en los {expected} lotes de la calibración inicial: no hay cota de "
        "la incertidumbre, ni α, ni conjuntos de predicción.",
        "short_calibration": "La calibración inicial se apoya en {found} de sus {expected} lotes.",
        "coarse_alpha": "La calibración inicial tiene solo {rows} muestras: no se distingue un α menor que "
        "{smallest_alpha} (para el 95 % hacen falta 19).",
        "no_uncertainty": "No llegó ninguno de los {expected} lotes que estiman la incertidumbre.",
        "short_uncertainty": "La incertidumbre se estimó con {found} de {expected} lotes.",
        "undecided_batches": "En {batches} de {of} lotes que estiman la incertidumbre ningún umbral cubrió una clase "
        "verdadera: allí U es 1, y no hay α.",
        "no_prediction_sets": "Ningún lote llegó a la etapa de los conjuntos de predicción: no se conocen la "
        "cobertura, los tamaños ni la exactitud correspondiente.",
        "threshold_sets": "Los puntajes son APS; la incertidumbre se estima con los conjuntos de clases cuya "
        "probabilidad pasa un umbral, tal como lo define U-TraCE.",
        "temperature_not_fitted": "{rows} muestras de calibración son muy pocas para ajustar una temperatura.",
        "temperature_at_bound": "La temperatura terminó en el borde de lo que se prueba, {temperature}, con {rows} "
        "muestras: la mejor está más allá, como cuando se acierta en toda muestra de calibración.",
        "few_rows": "{rows} muestras en {bins} intervalos son pocas: ECE, MCE y ACE resultan demasiado grandes "
        "por azar.",
    },
    dashboard="Cómo transcurrió la sesión, lote por lote",
    dashboard_about="Cuatro gráficos según el índice del lote: alfa y la cota superior de la incertidumbre mientras se "
    "estima, y luego la cobertura junto a su objetivo y el tamaño del mayor conjunto de predicción.",
    batch="lote",
    mean="media {value}",
    panel_bound="cota superior U",
    panel_coverage="cobertura",
    panel_sets="mayor conjunto (clases)",
    nothing="ningún lote llegó a esta etapa",
    calibration="Calibración",
    calibration_intro="Un modelo calibrado acierta tan a menudo como dicen sus probabilidades. Una temperatura T, que "
    "divide los logaritmos de las probabilidades, se ajustó a {fitted} muestras de la calibración inicial; su efecto "
    "se mide en las {rest} muestras posteriores.",
    calibration_raw="Un modelo calibrado acierta tan a menudo como dicen sus probabilidades. No hay temperatura cuyo "
    "efecto mostrar.",
    all_samples="Todas",
    before="Tras la calibración",
    after="Las mismas, con T",
    ece="ECE, error de calibración esperado",
    mce="MCE, el mayor de los intervalos",
    ace="ACE, la media de los intervalos",
    brier="Puntaje de Brier",
    nll="NLL, log-verosimilitud negativa",
    top_accuracy="Exactitud",
    top_confidence="Confianza media",
    overconfident="T = {temperature} es mayor que 1: el modelo está más seguro de lo que acierta.",
    underconfident="T = {temperature} es menor que 1: el modelo acierta más de lo que está seguro.",
    confident="T = {temperature}: el modelo está más o menos tan seguro como acierta.",
    reliability="Diagrama de confiabilidad",
    reliability_about="Por intervalo de confianza, la parte de predicciones correctas, frente a la diagonal en la que "
    "se ubica un modelo calibrado. {summary}",
    reliability_all="todas las muestras",
    reliability_before="como se envió",
    reliability_after="con temperatura {temperature}",
    reliability_summary="ECE {ece}, {samples} muestras",
    confidence="confianza",
    share_right="exactitud",
    samples_axis="muestras",
    gap="brecha",
    calibrated="calibrado",
    predictions="Predicciones",
    predictions_intro="El modelo predice la clase de mayor probabilidad. Sobre todas las muestras: exactitud "
    "{accuracy} y, ponderadas por la frecuencia de las clases, precisión {precision}, exhaustividad {recall}, F1 {f1}.",
    confusion="Matriz de confusión",
    confusion_about="Las filas son clases verdaderas, las columnas clases predichas; {right} de {samples} están en la "
    "diagonal.",
    confusions="Las confusiones más frecuentes de las {classes} clases",
    true_class="clase verdadera",
    predicted_class="clase predicha",
    no_confusion="Ni una predicción fue errónea.",
    too_many_classes="Con {classes} clases no se lleva cuenta de cuál se toma por cuál.",
    histogram="Confianza de las predicciones",
    histogram_about="Cuántas muestras se predijeron con qué probabilidad; {summary}.",
    notes="Cómo leer esto",
    glossary=(
        "Completo: todo lote se reunió y ambos flujos llegaron a su final. Válido: cobertura ≥ 1 − α. Seguro: U ≤ α. "
        "Útil: exactitud ≥ 0.60 y ningún conjunto de predicción con todas las clases.",
        "U es 1 − p · (1 − α), siendo p la media de 1/tamaño de los conjuntos que contienen la clase verdadera. Solo "
        "es igual a α si cada uno de ellos contiene únicamente esa clase; si no, es mayor.",
        "U y α son medias sobre los lotes de su etapa, la cobertura es la media sobre los lotes con conjuntos de "
        "predicción; el mayor conjunto es el mayor de todos.",
        "ECE pondera la brecha entre confianza y exactitud de cada intervalo por su parte de las muestras, ACE cuenta "
        "por igual los intervalos con muestras, MCE es la mayor brecha. 0 es lo mejor en las cinco cifras.",
    ),
)

LANGUAGES: Mapping[str, Texts] = {"en": ENGLISH, "es": SPANISH}
"""The words by the language's code."""
