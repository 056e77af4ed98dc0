// Secrets and large results: sealed or beside the journal at rest, whole again for the workflow.

#include "durable/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "durable/journal.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Seals so that a test can see it: the text backwards.
class Mirror final : public Sealer {
 public:
  std::string seal(const base::Secret& text) const override {
    return std::string(text.reveal().rbegin(), text.reveal().rend());
  }
  base::Secret unseal(const std::string& sealed) const override {
    return base::Secret(std::string(sealed.rbegin(), sealed.rend()));
  }
};

struct Login {
  std::string user;
  base::Secret password;
};
SLIPWAY_JSON_SNAKE(Login, user, password)

json::Object result_of(const Login& login) {
  return {{"result", json::to_value(login, json::Secrets::marked)}, {"kind", "step"}};
}

TEST(Payload, ASecretInAResultIsSealedAtRestAndWholeAgainForTheWorkflow) {
  const Mirror mirror;
  const auto stored = payload::to_stored(result_of({"alice", base::Secret("hunter2")}), &mirror);
  EXPECT_THAT(stored, Not(HasSubstr("hunter2")));
  EXPECT_THAT(stored, HasSubstr("alice"));
  const auto back = payload::from_stored(stored, &mirror);
  EXPECT_EQ(json::from_value<Login>(back.at("result"), json::Mode::lenient).password.reveal(), "hunter2");
}

TEST(Payload, WithoutTheSealerNobodySeesASecret) {
  const Mirror mirror;
  const auto data = result_of({"alice", base::Secret("hunter2")});
  const auto stored = payload::to_stored(data, &mirror);
  const auto seen = json::print_value(payload::shown(payload::from_stored(stored, nullptr)));
  EXPECT_THAT(seen, HasSubstr(std::string(base::kRedacted)));
  EXPECT_THAT(seen, Not(HasSubstr("2retnuh")));
  EXPECT_THAT(json::print_value(payload::shown(data)), Not(HasSubstr("hunter2")));
  EXPECT_THROW(payload::to_stored(data, nullptr), base::Error);
}

TEST(Payload, ALargeResultStandsBesideTheJournalAndComesBackWhole) {
  store::testing::TemporaryDatabase database;
  const base::ReplicaId replica("rep_1");
  const RunRecord run{.id = RunId("run_1"), .type = "t", .input = json::Object{}, .started_at = {}, .replica = replica};
  const std::string large(100'000, 'x');
  const Event event{.seq = 2, .type = EventType::step_completed, .at = {}, .step = "s", .data = {{"result", large}}};
  database->write_and_wait([&](store::Transaction& tx) {
    tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ($1, 'test', 0)", {replica.str()});
    journal::insert_run(tx, run);
    journal::append(tx, {{&run.id, &event}});
  });
  database->read_and_wait([&](store::Transaction& tx) {
    const auto row = tx.query("SELECT data FROM run_events WHERE seq = 2");
    EXPECT_LT(row.front().text(0).size(), 100u);
    EXPECT_EQ(journal::events(tx, run.id).at(1).data.at("result"), json::Value(large));
    EXPECT_EQ(journal::events_of(tx, {run.id}).at(run.id).events.at(1).data.at("result"), json::Value(large));
  });
}

}  // namespace
}  // namespace slipway::durable
