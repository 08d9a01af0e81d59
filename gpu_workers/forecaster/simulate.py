"""simglucose's thirty virtual patients (UVa/Padova, type 1) live for some days → one .npz that `train` reads.

    python -m gpu_workers.forecaster.simulate --out virtual_patients.npz
    python -m gpu_workers.forecaster.simulate --demo infra/local/demo/virtual_patients.csv

Patient, meals, pump and sensor noise are the package's own. What people do differs from trace to trace and is
drawn here (`Habits`): meals counted badly, boluses late or forgotten, basal rates off, sugar against a low.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.integrate import ode
from simglucose.actuator.pump import InsulinPump
from simglucose.controller.basal_bolus_ctrller import CONTROL_QUEST
from simglucose.patient.t1dpatient import Action, T1DPatient
from simglucose.sensor.cgm import SENSOR_PARA_FILE
from simglucose.sensor.noise_gen import CGMNoise
from simglucose.simulation.scenario_gen import RandomScenario

STEP = 5  # minutes between readings
DAY = 24 * 60
SETTLING = 12 * 60  # minutes dropped: they remember the steady state the simulator starts in
PATIENTS = [f"{group}#{number:03d}" for group in ("adolescent", "adult", "child") for number in range(1, 11)]
DEMO_PATIENTS, DEMO_DAYS, DEMO_START = ("adult#010", "adolescent#010", "child#010"), 3, datetime(2026, 3, 2)
DEMO_SEED = 2026
SENSOR_RANGE = (39.0, 401.0)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Habits:
    """How one person eats and doses. Factors are relative to simglucose's ideal, times are minutes."""

    meal_size: float
    count_error: float
    missed: float
    delay: float
    basal: float
    corrects: bool
    loop_gain: float
    rhythm: float
    rhythm_peak: float
    drift: float

    @classmethod
    def draw(cls, random: np.random.Generator, weight_kg: float) -> "Habits":
        return cls(
            meal_size=float(random.lognormal(0, 0.25) * np.clip(weight_kg / 75, 0.4, 1.1)),
            count_error=float(random.uniform(0.05, 0.35)),
            missed=float(random.choice([0.0, 0.05, 0.15, 0.35])),
            delay=float(random.choice([-10.0, 0.0, 10.0, 30.0])),
            basal=float(random.lognormal(0, 0.10)),
            corrects=bool(random.random() < 0.7),
            loop_gain=float(random.choice([0.0, 0.0, 0.5, 1.5])),
            rhythm=float(random.uniform(0, 0.3)),
            rhythm_peak=float(random.uniform(0, DAY)),
            drift=float(random.uniform(0, 0.15)),
        )


class Trace(NamedTuple):
    """One patient's days on the 5-minute grid: mg/dL, mg/dL, grams and units a step, each (n,)."""

    patient: str
    glucose: FloatArray
    noise: FloatArray
    carbs: FloatArray
    insulin: FloatArray


class Person:
    """A virtual patient with habits, stepped minute by minute."""

    def __init__(self, name: str, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.patient = fast_patient(name)
        self.parameters = self.patient._params
        self.habits = Habits.draw(self.random, self.parameters.BW)
        self.pump = InsulinPump(InsulinPump.withName("Insulet")._params.to_dict())
        self.scenario = RandomScenario(DEMO_START, seed=seed)
        self.normal_action = (self.parameters.Vmx, self.parameters.kp3)
        self.ideal_basal: float = self.parameters.u2ss * self.parameters.BW / 6000
        self.carb_ratio, self.correction_factor = quest(name)
        self.boluses: dict[int, float] = {}
        self.quiet_until = 0

    def minute(self, now: int) -> tuple[float, float]:
        """Live one minute: (grams announced, units infused)."""
        if now % DAY == 0:
            self.wake(now)
        grams = self.meals.get(now, 0.0) + self.rescue(now)
        rate = self.pump.basal(self.basal_rate()) + self.pump.bolus(self.bolus(now))
        self.set_sensitivity(now)
        self.patient.step(Action(CHO=grams, insulin=rate))
        return grams, float(rate)

    def wake(self, now: int) -> None:
        """Plan the day's meals and the boluses that (do not) go with them."""
        meal = self.scenario.create_scenario()["meal"]
        size = self.habits.meal_size * self.random.lognormal(0, 0.2)
        self.meals = {now + int(t): float(g) * size for t, g in zip(meal["time"], meal["amount"], strict=True)}
        self.day_sensitivity = math.exp(self.random.normal(0, self.habits.drift))
        for moment, grams in self.meals.items():
            if self.random.random() >= self.habits.missed:
                counted = grams * self.random.lognormal(0, self.habits.count_error)
                late = int(self.random.normal(self.habits.delay, 5))
                self.boluses[max(now, moment + late)] = counted / self.carb_ratio

    def bolus(self, now: int) -> float:
        """Units given this minute: what was planned, and half of what a high asks for."""
        planned = self.boluses.pop(now, 0.0)
        high = self.glucose() - 140
        corrects = planned > 0 and self.habits.corrects and high > 10
        return planned + (high / self.correction_factor * 0.5 if corrects else 0.0)

    def rescue(self, now: int) -> float:
        """Fast sugar when a low is noticed, at most every half hour."""
        if self.glucose() > 68 or now < self.quiet_until or self.random.random() > 0.1:
            return 0.0
        self.quiet_until = now + 30
        return float(self.random.uniform(8, 24))

    def basal_rate(self) -> float:
        loop = 1 + self.habits.loop_gain * (self.glucose() - 120) / 60
        return self.ideal_basal * self.habits.basal * min(max(loop, 0.0), 4.0)

    def set_sensitivity(self, now: int) -> None:
        rhythm = 1 + self.habits.rhythm * math.sin(2 * math.pi * (now - self.habits.rhythm_peak) / DAY)
        self.parameters.Vmx, self.parameters.kp3 = (v * rhythm * self.day_sensitivity for v in self.normal_action)

    def glucose(self) -> float:
        return float(self.patient.observation.Gsub)


def fast_patient(name: str) -> Any:
    """simglucose's patient, 30 times faster: plain attributes instead of a pandas row, and one solver step a
    minute (the trace differs by less than 0.001 mg/dL from the package's own tolerances).
    """
    patient = T1DPatient.withName(name)
    row = patient._params.items()
    patient._params = SimpleNamespace(**{k: v if isinstance(v, str) else float(v) for k, v in row})
    solver = ode(patient.model).set_integrator("dopri5", rtol=1e-3, atol=1e-2, first_step=1.0)
    patient._odesolver = solver.set_initial_value(patient.init_state, 0)
    return patient


def quest(name: str) -> tuple[float, float]:
    """Grams and mg/dL that one unit covers."""
    entry = table_row(CONTROL_QUEST, name)
    return entry["CR"], entry["CF"]


def table_row(path: str, name: str) -> dict[str, float]:
    """The numbers of `name` in one of simglucose's parameter tables."""
    with Path(path).open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row.pop("Name") == name)
    return {column: float(value) for column, value in row.items()}


def sensor_noise(samples: int, seed: int) -> FloatArray:
    """simglucose's error of a Dexcom sensor, sampled every 5 minutes."""
    parameters = table_row(SENSOR_PARA_FILE, "Dexcom") | {"sample_time": STEP}
    return np.fromiter(CGMNoise(parameters, n=samples, seed=seed), np.float32, samples)


def live(name: str, days: int, seed: int) -> Trace:
    """A person's `days` days; the same arguments give the same trace."""
    person = Person(name, seed)
    minutes = SETTLING + days * DAY
    log = np.array([(person.glucose(), *person.minute(now)) for now in range(minutes)])
    steps = log[SETTLING:].reshape(-1, STEP, 3)
    glucose, carbs, insulin = steps[:, 0, 0], steps[:, :, 1].sum(1), steps[:, :, 2].sum(1)
    noise = sensor_noise(len(steps), seed)
    return Trace(name, *(a.astype(np.float32) for a in (glucose, noise, carbs, insulin)))


def live_star(arguments: tuple[str, int, int]) -> Trace:
    return live(*arguments)


def simulate(days: int, replicates: int, seed: int, processes: int) -> Iterator[Trace]:
    """Every patient `replicates` times, with other habits each time."""
    work = [(name, days, seed + 1000 * i + r) for i, name in enumerate(PATIENTS) for r in range(replicates)]
    with get_context("spawn").Pool(processes) as pool:
        for done, trace in enumerate(pool.imap(live_star, work), 1):
            print(f"{done}/{len(work)} {trace.patient}: {days} days", file=sys.stderr, flush=True)
            yield trace


def save(traces: list[Trace], seed: int, out: Path) -> None:
    columns: dict[str, Any] = {name: np.stack([getattr(t, name) for t in traces]) for name in Trace._fields[1:]}
    np.savez_compressed(out, patient=np.array([t.patient for t in traces]), seed=seed, **columns)


def write_demo(out: Path) -> None:
    """A few people as a CSV that the demo turns into vendor exports."""
    with out.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["patient", "time", "glucose_mg_dl", "carbs_g", "insulin_u"])
        for number, name in enumerate(DEMO_PATIENTS):
            trace = live(name, DEMO_DAYS, DEMO_SEED + number)
            table.writerows(demo_rows(trace))
            print(f"{name}: {len(trace.glucose)} readings", file=sys.stderr)


def demo_rows(trace: Trace) -> Iterator[tuple[object, ...]]:
    readings = np.clip(trace.glucose + 0.5 * trace.noise, *SENSOR_RANGE)
    start = DEMO_START + timedelta(minutes=SETTLING)
    for i, glucose in enumerate(readings):
        time = (start + timedelta(minutes=STEP * i)).isoformat()
        yield trace.patient, time, round(float(glucose)), round(float(trace.carbs[i]), 1), f"{trace.insulin[i]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=14, help="days a trace")
    parser.add_argument("--replicates", type=int, default=3, help="traces a patient")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("virtual_patients.npz"))
    parser.add_argument("--demo", type=Path, help="write the demo's small CSV here instead")
    options = parser.parse_args()
    if options.demo:
        write_demo(options.demo)
    else:
        traces = list(simulate(options.days, options.replicates, options.seed, options.processes))
        save(traces, options.seed, options.out)


if __name__ == "__main__":
    main()
