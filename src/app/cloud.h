#pragma once
// A hub's connection to Google Cloud: clients, the workstations' provider, what their workflows work with, and what
// tells the world. Made from the file of `slipway serve --cloud`, bottom-up, once.

#include <functional>
#include <memory>

#include "app/cloud_config.h"
#include "durable/engine.h"
#include "durable/scheduler.h"
#include "fleet/sealer.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "workflows/workstation_intake.h"
#include "workflows/workstation_services.h"

namespace slipway::api {
struct PubsubPush;
}

namespace slipway::notify {
class MailSender;
}

namespace slipway::app {

struct CloudNeeds {
  store::Database& database;
  durable::Engine& engine;
  base::EventLoop& loop;
  base::IdGenerator& ids;
  const fleet::Sealer& sealer;
  const base::Clock& clock;
  base::Random& random;
  observe::Registry& metrics;
  const observe::Logger& log;
  std::function<void(const base::RunId&)> poke;  // makes a waiting run look again; thread-safe
};

// Lives as long as the engine's workers may use it.
class Cloud {
 public:
  // Reads credentials, and the hub's id in the database; throws what cannot work. Nothing is called yet.
  Cloud(const CloudConfig& config, CloudNeeds needs);
  ~Cloud();

  void add_workflows(durable::Engine& engine);
  void add_schedules(durable::Scheduler& scheduler) const;
  const workflows::WorkstationServices& services() const;
  workflows::WorkstationIntake& intake();
  notify::MailSender* mail();  // null when no mail is sent
  api::PubsubPush* push();     // null unless it is configured
  // Begins to pull messages; once the engine has joined, and again does nothing. stop() gives back what is held.
  void start_pulling();
  void stop_pulling();
  const CloudConfig& config() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::app
