"""Every array's name, with its shape and unit: one spelling for files, batches and predictions."""

# labels and predictions
ENERGY = "energy"  # (n_frames,) | eV, absolute
FORCES = "forces"  # (n_frames, n_atoms, 3) | eV/Å
DIPOLE = "dipole"  # (n_frames, 3) | e·Å, origin: centre of mass (matters for ions only)
POLARIZABILITY = "polarizability"  # (n_frames, 3, 3) | Å³, symmetric
PROPERTIES = (ENERGY, FORCES, DIPOLE, POLARIZABILITY)

# labels that some frames bring besides
DIPOLE_DERIVATIVE = "dipole_derivative"  # (n_frames, n_atoms, 3, 3) | e, ∂μ_x/∂r_iy at [i, x, y]
POLARIZABILITY_DERIVATIVE = "polarizability_derivative"  # (n_frames, n_atoms, 3, 3, 3) | Å², ∂α_xy/∂r_iz
DERIVATIVES = {DIPOLE: DIPOLE_DERIVATIVE, POLARIZABILITY: POLARIZABILITY_DERIVATIVE}

HUGE = 1e12  # in any of these units: no molecule has it, and squares of far larger numbers overflow

# geometries
NUMBERS = "numbers"  # (n_frames, n_atoms) | atomic numbers, 0 pads smaller molecules
POSITIONS = "positions"  # (n_frames, n_atoms, 3) | Å

# units and headings as shown in tables: property -> (unit, factor from the stored unit)
SHOWN_UNITS = {
    ENERGY: ("meV", 1e3),
    FORCES: ("meV/Å", 1e3),
    DIPOLE: ("e·Å", 1.0),
    POLARIZABILITY: ("Å³", 1.0),
    DIPOLE_DERIVATIVE: ("e", 1.0),
    POLARIZABILITY_DERIVATIVE: ("Å²", 1.0),
}

# trajectory.h5: datasets (replica first)
POTENTIAL_ENERGY = "potential_energy"  # (n_replicas, n_samples) | eV; sample k at (k + 1) sample_interval_fs
KINETIC_ENERGY = "kinetic_energy"  # (n_replicas, n_samples) | eV, on-step velocities
HALF_STEP_KINETIC_ENERGY = "half_step_kinetic_energy"  # (n_replicas, n_samples) | eV, mean of both half steps
# DIPOLE (n_replicas, n_samples, 3) | e·Å and POLARIZABILITY (n_replicas, n_samples, 3, 3) | Å³, float32
SPARSE_POSITIONS = "positions"  # (n_replicas, n_sparse, n_atoms, 3) | Å, float32, each `sparse_stride`-th
HALF_STEP_VELOCITIES = "half_step_velocities"  # (n_replicas, n_samples, n_atoms, 3) | Å/fs, float32
# v(t + Δt/2), with md.record_motion only, which also records positions at every sample
# of ring polymers POTENTIAL_ENERGY, DIPOLE and POLARIZABILITY are means over beads, positions and velocities
# the centroid's, and KINETIC_ENERGY is what is conserved, per bead, without the potential energy
PRIMITIVE_KINETIC_ENERGY = "primitive_kinetic_energy"  # (n_replicas, n_samples) | eV, of quantum nuclei
VIRIAL_KINETIC_ENERGY = "virial_kinetic_energy"  # (n_replicas, n_samples) | eV, centroid virial estimator
# where the model knows its range, of the bead most outside of it (trained_range.Bounds)
RANGE_EXCESS = "range_excess"  # (n_replicas, n_samples) | 1, distance beyond a bound in parts of it, float32
RANGE_PLACE = "range_place"  # (n_replicas, n_samples) | which of the bounds, int32
MODE_ENERGY_EXCESS = "mode_energy_excess"  # (n_replicas, n_modes) | 1, mean zero; attribute wavenumbers_cm

# trajectory.h5: attributes
TRAJECTORY_VERSION = 2  # 2: half-step velocities, if recorded
READABLE_TRAJECTORIES = (1, 2)
# format_version, molecule, dynamics, temperature_K, integrator_timestep_fs, sample_interval_fs,
# sparse_stride, numbers, masses_amu, degrees_of_freedom, starts (JSON), settings (JSON)
