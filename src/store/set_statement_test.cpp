#include "store/set_statement.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::store {
namespace {

TEST(SetStatement, TellsWhatIsDoneToWhichTable) {
  EXPECT_EQ(target_of("INSERT INTO things (a) VALUES ($1)").table, "things");
  EXPECT_EQ(target_of("UPDATE things SET a = $2 WHERE b = $1").kind, SetKind::update);
  EXPECT_EQ(target_of("DELETE FROM things WHERE a = $1").kind, SetKind::remove);
  EXPECT_THROW(target_of("UPDATE things SET a = (SELECT b WHERE c = $1)"), base::Error);
  EXPECT_THROW(target_of("INSERT INTO things SELECT ' VALUES ('"), base::Error);
}

TEST(SetStatement, BecomesOneOverArrays) {
  const ColumnType types[] = {ColumnType::text, ColumnType::whole};
  EXPECT_EQ(over_arrays("INSERT INTO t (a, b, c) VALUES ($1, 'of $1', coalesce($2, 0)) ON CONFLICT DO NOTHING", types),
            "INSERT INTO t (a, b, c) SELECT given.p1, 'of $1', coalesce(given.p2, 0) FROM unnest($1::text[], "
            "$2::bigint[]) AS given (p1, p2) ON CONFLICT DO NOTHING");
  EXPECT_EQ(over_arrays("UPDATE t SET b = $2 WHERE a = $1", types),
            "UPDATE t SET b = given.p2 FROM unnest($1::text[], $2::bigint[]) AS given (p1, p2) WHERE a = given.p1");
  EXPECT_EQ(over_arrays("DELETE FROM t WHERE a = $1 AND b = $2", types),
            "DELETE FROM t USING unnest($1::text[], $2::bigint[]) AS given (p1, p2) WHERE a = given.p1 AND b = "
            "given.p2");
}

}  // namespace
}  // namespace slipway::store
