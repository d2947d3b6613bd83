//! The instances of a run, each in its place: where one dies, another is started over the same
//! database.

use super::process::Process;
use super::sim::Sim;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest until an instance that died is started again.
const RESTART_MAX: Duration = Duration::from_secs(15);

/// A place, and the process that is in it or was last.
struct Place(Mutex<Process>);

/// The instances of a run.
pub struct Fleet {
    places: Vec<Place>,
}

impl Fleet {
    /// Starts them all, and again whenever one is over.
    pub fn start(sim: &Arc<Sim>) -> Arc<Self> {
        let places = (0..sim.conditions.instances)
            .map(|place| Place(Mutex::new(Process::start(sim, place, 1))))
            .collect();
        let fleet = Arc::new(Self { places });
        for place in 0..sim.conditions.instances {
            tokio::spawn(supervise(Arc::clone(sim), Arc::clone(&fleet), place));
        }
        fleet
    }

    fn lock(&self, place: u8) -> MutexGuard<'_, Process> {
        self.places[usize::from(place)].0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process in a place, if it lives.
    pub fn at(&self, place: u8) -> Option<Process> {
        let process = self.lock(place).clone();
        (!process.life.is_over()).then_some(process)
    }

    /// One that lives.
    pub fn any(&self, sim: &Sim) -> Option<Process> {
        let living: Vec<_> = (0..sim.conditions.instances).filter_map(|n| self.at(n)).collect();
        (!living.is_empty()).then(|| sim.draw(|draws| draws.pick(&living)))
    }
}

async fn supervise(sim: Arc<Sim>, fleet: Arc<Fleet>, place: u8) {
    for life in 2.. {
        let before = fleet.lock(place).clone();
        before.life.over().await;
        before.bury();
        let ms_max = u64::try_from(RESTART_MAX.as_millis()).unwrap();
        let pause = sim.draw(|draws| draws.pick(&[ms_max, ms_max / 10, 100]));
        let pause = Duration::from_millis(sim.draw(|draws| draws.below(pause)));
        let calm = sim.conditions.calm_from.saturating_sub(sim.elapsed());
        // Once the storm is over whatever died is back at once.
        tokio::time::sleep(pause.min(calm)).await;
        *fleet.lock(place) = Process::start(&sim, place, life);
    }
}
