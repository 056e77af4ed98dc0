// One replica of the engine for the chaos test, over PostgreSQL, steered by lines on its standard input:
//
//   start KEY SEED LENGTH    a run of the program; the same KEY names the same run on every replica
//   cancel RUN
//   statistics
//
// It answers: started KEY RUN, cancelling RUN, statistics {…}, and of what cannot be done: refused WORD CODE MESSAGE.
// The first two speak of what is durable. What the engine has to say of itself comes as: notice TEXT.
//
// SIGTERM hands over and ends; the end of the input ends at once. Two more ways to start it are for the checker:
// `expect` prints what programs must come to, `check` what the database says of every run.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <thread>

#include "check.h"
#include "durable/engine.h"
#include "effects.h"
#include "net/event_loop.h"
#include "program.h"

namespace slipway::chaos {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kWorkers = 4, kWorkersMax = 32;
constexpr base::Duration kJoinAgain = 200ms;

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

durable::EngineOptions options(const std::string& life) {
  durable::EngineOptions options;
  // Short, so that runs come and go between memory and rows all the time.
  options.evict_after = 1s;
  options.wake_ahead = 300ms;
  options.cancel_grace = 5s;
  options.sweep_every = 2s;  // what it repairs is a defect, and the test complains of it
  options.lease.name = life;
  return options;
}

class Replica {
 public:
  Replica(const std::string& url, const std::string& socket, const std::string& life)
      : effects_(socket, life),
        database_(store::open(url)),
        engine_(*database_, loop_, workers_, clock_, random_, ids_, options(life)) {
    engine_.on_notice([](const std::string& text) { say("notice " + text); });
    engine_.add(durable::make_workflow<ProgramInput, ProgramOutput>(std::make_shared<const Program>(effects_)));
  }

  [[noreturn]] void run() {
    signals_.async_wait([this](const boost::system::error_code& failure, int) {
      if (!failure) hand_over();
    });
    std::thread([this] { listen(); }).detach();
    join();
    const auto stays = boost::asio::make_work_guard(io_);  // also while only the store works
    io_.run();
    std::abort();
  }

 private:
  void listen() {
    for (std::string line; std::getline(std::cin, line);) loop_.post([this, line] { obey(line); });
    std::_Exit(0);  // the test is gone
  }

  void join() {
    engine_.join([this](std::exception_ptr failure) {
      if (!failure) return say("joined");
      loop_.post_at(clock_.now() + kJoinAgain, [this] { join(); });
    });
  }

  void hand_over() {
    engine_.shut_down();
    end_when_still();
  }

  void end_when_still() {
    if (engine_.statistics().attempts_under_way > 0) {
      loop_.post_at(clock_.now() + 10ms, [this] { end_when_still(); });
      return;
    }
    engine_.leave([](std::exception_ptr failure) {
      if (failure) say("left without a word: " + std::string(base::as_error(failure).what()));
      std::_Exit(failure ? 1 : 0);
    });
  }

  void obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb, subject;
    words >> verb >> subject;
    if (verb == "start") {
      ProgramInput input;
      words >> input.seed >> input.length;
      start(subject, input);
    } else if (verb == "cancel") {
      engine_.cancel(durable::RunId(subject), "chaos", answer("cancelling " + subject, subject));
    } else if (verb == "statistics") {
      tell_statistics();
    }
  }

  std::function<void(std::exception_ptr)> answer(std::string words, std::string subject) {
    return [words, subject](std::exception_ptr failure) {
      if (!failure) return say(words);
      const auto error = base::as_error(failure);
      say("refused " + subject + " " + error.code() + " " + error.message());
    };
  }

  // The key and the run are written together: a client that asks again, of whomever, gets the run that there is.
  void start(const std::string& key, const ProgramInput& input) {
    auto record = std::make_shared<durable::RunRecord>(engine_.make_record({.type = std::string(Program::kType),
                                                                            .resource_type = "chaos",
                                                                            .resource_id = key,
                                                                            .triggered_by = "chaos",
                                                                            .input = json::to_value(input)}));
    auto started = std::make_shared<std::string>();
    database_->write(
        [key, record, started](store::Transaction& tx) {
          *started = tx.query(
                           "INSERT INTO chaos_requests (key, run_id) VALUES ($1, $2) "
                           "ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING run_id",
                           {key, record->id.str()})
                         .front()
                         .text(0);
          if (*started == record->id.str()) durable::journal::insert_run(tx, *record);
        },
        [this, key, record, started](std::exception_ptr failure) {
          loop_.post([this, key, record, started, failure] {
            if (!failure && *started == record->id.str()) engine_.launch(*record);
            answer("started " + key + " " + *started, key)(failure);
          });
        });
  }

  void tell_statistics() {
    const auto now = engine_.statistics();
    say("statistics " + json::print_value({{"live", now.live},
                                           {"attempts_under_way", now.attempts_under_way},
                                           {"completed", now.completed},
                                           {"steps", now.steps},
                                           {"taken_over", now.taken_over},
                                           {"lost_leases", now.lost_leases},
                                           {"repaired", now.repaired},
                                           {"failed_writes", now.failed_writes}}));
  }

  base::SystemClock clock_;
  base::SystemRandom random_;
  base::IdGenerator ids_{clock_, random_};
  const Effects effects_;
  net::IoContext io_{1};
  net::AsioLoop loop_{io_, clock_};
  net::WorkerPool workers_{kWorkers, kWorkersMax};
  std::unique_ptr<store::Database> database_;
  durable::Engine engine_;
  boost::asio::signal_set signals_{io_, SIGTERM};
};

// Lines of SEED LENGTH to lines of JSON.
void tell_expectations() {
  for (ProgramInput input; std::cin >> input.seed >> input.length;) say(json::print(expect(input)));
}

int main_of(const std::vector<std::string>& words) {
  if (words.size() == 4 && words[0] == "run") Replica(words[1], words[2], words[3]).run();
  if (words.size() == 1 && words[0] == "expect") return tell_expectations(), 0;
  if (words.size() == 2 && words[0] == "check") return check_all(*store::open(words[1]), std::cout), 0;
  std::cerr << "usage: chaos_engine run DATABASE EFFECTS-SOCKET LIFE | expect | check DATABASE\n";
  return 2;
}

}  // namespace
}  // namespace slipway::chaos

int main(int count, char** words) {
  try {
    return slipway::chaos::main_of({words + 1, words + count});
  } catch (const std::exception& error) {
    std::cerr << "chaos_engine: " << error.what() << "\n";
    return 1;
  }
}
