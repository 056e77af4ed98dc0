// The records and their rules, on both databases.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/change_feed.h"
#include "fleet/connect_ticket.h"
#include "fleet/idempotency.h"
#include "fleet/identity.h"
#include "fleet/workspace.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Transaction;
using ::testing::ElementsAre;
using namespace std::chrono_literals;

const Instant kNow = base::from_unix_ms(1'700'000'000'000);
const UserId kAlice{"usr_alice"}, kBob{"usr_bob"};
const RunId kRun{"run_1"}, kOtherRun{"run_2"};

class Fleet : public ::testing::TestWithParam<Dialect> {
 protected:
  Fleet()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {
    write([](Transaction& tx) {
      insert_user(tx, {kAlice, "alice", Role::member, kNow});
      insert_user(tx, {kBob, "bob", Role::admin, kNow});
    });
  }

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }
  void read(store::Work work) { database_->read_and_wait(std::move(work)); }

  static Workspace make(std::string name, UserId owner = kAlice) {
    Workspace workspace;
    workspace.id = WorkspaceId("id-" + owner.str() + "-" + name);
    workspace.name = name;
    workspace.owner_id = owner;
    workspace.provider = "sandbox";
    workspace.instance_name = owner.str() + "-" + name;
    workspace.run_id = kRun;
    workspace.created_at = workspace.updated_at = kNow;
    return workspace;
  }

  Workspace add(const std::string& name, UserId owner = kAlice) {
    const auto workspace = make(name, owner);
    write([&](Transaction& tx) { insert(tx, workspace, "sealed"); });
    return workspace;
  }

  Workspace stored(const WorkspaceId& id) {
    Workspace workspace;
    read([&](Transaction& tx) { workspace = get(tx, Scope::everything("test"), id); });
    return workspace;
  }

  template <class F>
  std::string code_of(F action) {
    try {
      action();
    } catch (const base::Error& error) {
      return error.code();
    }
    return "";
  }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
};
INSTANTIATE_TEST_SUITE_P(On, Fleet, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

// HUB-8
TEST_P(Fleet, AWorkspaceIsReadAsItWasWritten) {
  auto workspace = make("hello");
  workspace.metadata = {"repo", "branch", std::nullopt};
  write([&](Transaction& tx) { insert(tx, workspace, "sealed"); });
  EXPECT_EQ(json::print(stored(workspace.id)), json::print(workspace));
}

TEST_P(Fleet, NamesAreUniquePerOwner) {
  add("hello");
  add("hello", kBob);
  auto again = make("hello");
  again.id = WorkspaceId("another");
  again.instance_name = "another";
  EXPECT_EQ(code_of([&] { write([&](Transaction& tx) { insert(tx, again, ""); }); }), "CONFLICT");
}

// HUB-18
TEST_P(Fleet, WhatBelongsToAnotherIsNotThere) {
  const auto mine = add("hello");
  read([&](Transaction& tx) {
    EXPECT_TRUE(find(tx, Scope::owner(kAlice), mine.id));
    EXPECT_FALSE(find(tx, Scope::owner(kBob), mine.id));
    EXPECT_EQ(list(tx, Scope::owner(kBob), {}).size(), 0u);
    EXPECT_EQ(count(tx, Scope::everything("test"), {}), 1);
  });
  EXPECT_EQ(code_of([&] { read([&](Transaction& tx) { get(tx, Scope::owner(kBob), mine.id); }); }), "NOT_FOUND");
}

TEST_P(Fleet, ARunThatWasReplacedChangesNothingAnyMore) {
  auto workspace = add("hello");
  write([&](Transaction& tx) { take(tx, workspace, kOtherRun, kNow); });
  write([&](Transaction& tx) { finish(tx, workspace.id, kRun, WorkspaceStatus::READY, kNow); });
  EXPECT_EQ(stored(workspace.id).status, WorkspaceStatus::PROVISIONING);
  EXPECT_EQ(stored(workspace.id).run_id, kOtherRun);
  write([&](Transaction& tx) { fail(tx, workspace.id, kOtherRun, {"CODE", "message"}, kNow); });
  EXPECT_EQ(stored(workspace.id).status, WorkspaceStatus::ERROR);
  EXPECT_EQ(stored(workspace.id).error->code, "CODE");
  EXPECT_FALSE(stored(workspace.id).run_id);
}

TEST_P(Fleet, TwoWhoTakeAWorkspaceAtOnceAreNotBothGivenIt) {
  auto first = add("hello");
  auto second = first;
  write([&](Transaction& tx) { take(tx, first, kRun, kNow); });
  EXPECT_EQ(code_of([&] { write([&](Transaction& tx) { take(tx, second, kOtherRun, kNow); }); }),
            "INVALID_STATE_TRANSITION");
}

// HUB-9
TEST_P(Fleet, EveryChangeIsInTheFeedAndOnlyItsOwnersSeeIt) {
  const auto workspace = add("hello");
  add("other", kBob);
  write([&](Transaction& tx) { finish(tx, workspace.id, kRun, WorkspaceStatus::READY, kNow); });
  write([&](Transaction& tx) {
    auto current = get(tx, Scope::everything("test"), workspace.id);
    take(tx, current, kRun, kNow);
    remove(tx, workspace.id, kRun, kNow);
  });
  std::vector<std::string> types;
  read([&](Transaction& tx) {
    for (const auto& change : changes_between(tx, Scope::owner(kAlice), 0, 100, 100)) types.push_back(change.type);
    EXPECT_EQ(all_changes_between(tx, 0, 100, 100).size(), 5u);
  });
  EXPECT_THAT(types, ElementsAre("workspace.created", "workspace.updated", "workspace.updated", "workspace.deleted"));
}

TEST_P(Fleet, TheFeedIsTrimmedButKeepsItsEnd) {
  add("hello");
  add("other");
  write([&](Transaction& tx) { EXPECT_EQ(trim_changes(tx, kNow + 1h), 0); });  // the rollups have not read them
  write([&](Transaction& tx) {
    tx.execute("UPDATE run_rollup_state SET feed_cursor = 100");
    trim_changes(tx, kNow + 1h);
  });
  read([&](Transaction& tx) {
    EXPECT_EQ(all_changes_between(tx, 0, 10, 10).size(), 1u);
    EXPECT_EQ(first_change(tx), 2);
  });
}

TEST_P(Fleet, ActivityMovesForwardOnly) {
  const auto workspace = add("hello");
  write([&](Transaction& tx) { set_activity(tx, workspace.id, {"ssh", kNow + 2s}); });
  write([&](Transaction& tx) { set_activity(tx, workspace.id, {"exec", kNow + 1s}); });
  EXPECT_EQ(stored(workspace.id).last_connected_at, kNow + 2s);
  EXPECT_EQ(stored(workspace.id).last_activity->kind, "ssh");
}

// HUB-13
TEST_P(Fleet, AnAgentIsKnownByItsTokenUntilThatIsBurntAndByItsCredentialAfterwards) {
  const auto workspace = add("hello");
  write([&](Transaction& tx) {
    set_agent_token(tx, workspace.id, "token");
    set_agent_credential(tx, workspace.id, "credential");
  });
  read([&](Transaction& tx) {
    EXPECT_TRUE(find_agent(tx, "token")->by_token);
    EXPECT_FALSE(find_agent(tx, "credential")->by_token);
    EXPECT_FALSE(find_agent(tx, "other"));
  });
  write([&](Transaction& tx) { finish(tx, workspace.id, kRun, WorkspaceStatus::READY, kNow); });
  read([&](Transaction& tx) {
    EXPECT_FALSE(find_agent(tx, "token"));
    EXPECT_TRUE(find_agent(tx, "credential"));
  });
}

TEST_P(Fleet, ListsFilterAndPage) {
  for (const auto* name : {"a", "b", "c"}) add(name);
  const auto ready = make("b");
  write([&](Transaction& tx) { finish(tx, ready.id, kRun, WorkspaceStatus::READY, kNow); });
  read([&](Transaction& tx) {
    const auto mine = Scope::owner(kAlice);
    EXPECT_EQ(list(tx, mine, {.limit = 2}).size(), 2u);
    EXPECT_EQ(list(tx, mine, {.after = ready.id.str()}).front().name, "c");
    EXPECT_EQ(list(tx, mine, {.status = WorkspaceStatus::READY}).front().name, "b");
    EXPECT_EQ(count(tx, mine, {.name = "a"}), 1);
  });
}

TEST_P(Fleet, AnAnswerIsKeptForADayUnderItsCallersKey) {
  write([&](Transaction& tx) { store_answer(tx, "alice", "key", {"hash", 202, "{}", "body"}, kNow); });
  read([&](Transaction& tx) {
    EXPECT_EQ(find_answer(tx, "alice", "key", kNow + 1h)->body, "body");
    EXPECT_FALSE(find_answer(tx, "bob", "key", kNow));
    EXPECT_FALSE(find_answer(tx, "alice", "key", kNow + 25h));
  });
  EXPECT_EQ(code_of([&] {
              write([&](Transaction& tx) { store_answer(tx, "alice", "key", {"hash", 202, "{}", ""}, kNow); });
            }),
            "CONSTRAINT_VIOLATED");
  write([&](Transaction& tx) { forget_old_answers(tx, kNow + 25h); });
  read([&](Transaction& tx) { EXPECT_FALSE(find_answer(tx, "alice", "key", kNow)); });
}

TEST_P(Fleet, KeysAreFoundByTheirHashAndGoneWhenRemoved) {
  const base::KeyId id("key_1");
  write([&](Transaction& tx) { insert_key(tx, {id, "laptop", kBob, "bob", Role::admin, kNow}, "hash"); });
  read([&](Transaction& tx) {
    EXPECT_EQ(find_key_by_hash(tx, "hash")->role, Role::admin);
    EXPECT_EQ(find_admin(tx, "bob")->id, kBob);
    EXPECT_FALSE(find_admin(tx, "alice"));
  });
  write([&](Transaction& tx) { EXPECT_TRUE(remove_key(tx, id)); });
  read([&](Transaction& tx) { EXPECT_FALSE(find_key_by_hash(tx, "hash")); });
}

TEST_P(Fleet, ATicketIsGoodOnceForItsWorkspaceAndForAMinute) {
  const base::KeyId key{"key_1"};
  const WorkspaceId here("here"), elsewhere("elsewhere");
  const auto ticket = make_ticket(), late = make_ticket();
  const auto redeem = [&](const base::Secret& shown, const WorkspaceId& at, Instant now) {
    std::optional<ApiKey> holder;
    write([&](Transaction& tx) { holder = redeem_ticket(tx, shown, at, now); });
    return holder;
  };
  write([&](Transaction& tx) {
    insert_key(tx, {key, "laptop", kBob, "bob", Role::admin, kNow}, "hash");
    insert_ticket(tx, ticket, here, key, kNow);
    insert_ticket(tx, late, here, key, kNow);
  });
  EXPECT_FALSE(redeem(make_ticket(), here, kNow));
  EXPECT_FALSE(redeem(ticket, elsewhere, kNow));
  const auto holder = redeem(ticket, here, kNow);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->user_id, kBob);
  EXPECT_EQ(holder->id, key);
  EXPECT_FALSE(redeem(ticket, here, kNow));
  EXPECT_FALSE(redeem(late, here, kNow + kTicketGoodFor + 1ms));
}

TEST_P(Fleet, ATicketOfAKeyThatIsGoneOpensNothing) {
  const base::KeyId key{"key_1"};
  const WorkspaceId here("here");
  const auto ticket = make_ticket();
  std::optional<ApiKey> holder;
  write([&](Transaction& tx) {
    insert_key(tx, {key, "laptop", kBob, "bob", Role::admin, kNow}, "hash");
    insert_ticket(tx, ticket, here, key, kNow);
    remove_key(tx, key);
    holder = redeem_ticket(tx, ticket, here, kNow);
  });
  EXPECT_FALSE(holder);
}

TEST(WorkspaceName, SaysWhatIsWrongWithIt) {
  const auto reason = [](const std::string& name) {
    try {
      validate_name("name", name);
    } catch (const base::Error& error) {
      return error.message();
    }
    return std::string("fine");
  };
  EXPECT_EQ(reason("my-workspace-2"), "fine");
  EXPECT_EQ(reason(""), "name: must not be empty");
  EXPECT_EQ(reason("Big"), "name: may have only lower-case letters, digits and '-'");
  EXPECT_EQ(reason("2nd"), "name: must begin with a letter");
  EXPECT_EQ(reason("a-"), "name: must not end with '-'");
  EXPECT_EQ(reason(std::string(41, 'a')), "name: is longer than 40 characters");
}

}  // namespace
}  // namespace slipway::fleet
