package server

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNothingIsGrantedOfAPausedKeyAndWhatIsHeldStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithAdminSecrets("zookeeper"))
		holder, other := dial(t, s), dial(t, s)
		holder.ask("hello|_|1 fields")
		token, _ := holder.grant("sl|k|0 2 10")
		require.Equal(t, "ok", holder.ask("pause|k|8000"))
		require.Equal(t, "ok 10 paused_ms=8000", holder.ask("sn|k|"+token+" 10"))
		require.Equal(t, "timeout", other.ask("sl|k|0 2"))
		require.Equal(t, "timeout", other.ask("sl|k|5 2"), "it waits, and gets none")
		require.Equal(t, "ok 10 paused_ms=3000", holder.ask("sn|k|"+token+" 10"))
		require.Equal(t, "ok", holder.ask("sr|k|"+token))
		require.Equal(t, "timeout", other.ask("sl|k|1 2"), "the pause outlives who made it")

		before := time.Now()
		other.grant("sl|k|60 2")
		require.Equal(t, 2*time.Second, time.Since(before))
		require.Equal(t, "error_not_allowed", holder.ask("pause|k|1000"), "it holds none any more")
	})
}

// Whoever shows the token of a slot may pause its key, over any connection.
func TestATokenIsProofEnoughForAPause(t *testing.T) {
	s := start(t)
	holder, other := dial(t, s), dial(t, s)
	token, _ := holder.grant("l|k|0 10")
	require.Equal(t, "error_not_allowed", other.ask("pause|k|1000"))
	require.Equal(t, "error_not_allowed", other.ask("pause|another|1000 "+token))
	require.Equal(t, "ok", other.ask("pause|k|1000 "+token))
}

func TestASlotThatIsTakenBackIsRenewedNoMoreAndFreeWhenItsLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, WithSecret("sesame"), WithAdminSecrets("zookeeper"))
		holder, official, admin := dial(t, s), dial(t, s), dial(t, s)
		for c, secret := range map[*client]string{holder: "sesame", official: "sesame", admin: "zookeeper"} {
			require.Equal(t, "ok", c.ask("auth|_|"+secret))
		}
		holder.ask("hello|_|1 fields")
		token, _ := holder.grant("l|k|0 10")
		require.Equal(t, "error_not_allowed", holder.ask("revoke|k|"+token[:16]))
		require.Equal(t, "error_no_holder", admin.ask("revoke|another|"+token[:16]))
		require.Equal(t, "ok", admin.ask("revoke|k|"+token[:16]))
		require.Equal(t, "ok", admin.ask("revoke|k|"+token[:16]), "twice is as once")
		require.Equal(t, "error_revoked", holder.ask("n|k|"+token+" 10"))
		require.Equal(t, "error", official.ask("n|k|"+token+" 10"), "official clients have one word for it")
		before := time.Now()
		official.grant("l|k|60")
		require.Equal(t, 10*time.Second, time.Since(before), "it is free when its lease ends, and not before")
		require.Equal(t, "error_no_holder", admin.ask("revoke|k|"+token[:16]))
	})
}

func TestAGrantThatIsTakenBackBeforeItIsAskedForIsNotToldLater(t *testing.T) {
	s := start(t, WithAdminSecrets("zookeeper"))
	holder, admin := dial(t, s), dial(t, s)
	require.Equal(t, "ok", admin.ask("auth|_|zookeeper"))
	token, _ := holder.grant("e|k|10")
	require.Equal(t, "ok", admin.ask("revoke|k|"+token[:16]))
	require.Equal(t, "error_lease_expired", holder.ask("w|k|5"))
	require.Equal(t, "error_not_enqueued", holder.ask("w|k|5"))
}

func TestAdministratorsSecretsCanBeReplaced(t *testing.T) {
	s := start(t, WithAdminSecrets("old"))
	require.NoError(t, s.SetAdminSecrets("old", "new"))
	require.Equal(t, "ok", dial(t, s).ask("auth|_|new"))
	require.Equal(t, "ok", dial(t, s).ask("auth|_|old"))
	require.ErrorContains(t, s.SetAdminSecrets(), "at least one")
	require.ErrorContains(t, start(t).SetAdminSecrets("x"), "without an administrators' secret")
	_, err := Start(t.Context(), WithInMemory(), WithAdminSecrets("a\nb"))
	require.ErrorContains(t, err, "administrators: server: secret 1")
}

func TestPausesAreBounded(t *testing.T) {
	s := start(t, WithAdminSecrets("zookeeper"))
	admin := dial(t, s)
	require.Equal(t, "ok", admin.ask("auth|_|zookeeper"))
	for i := range 10_000 {
		require.Equal(t, "ok", admin.ask(fmt.Sprintf("pause|key%d|3600000", i)))
	}
	require.Equal(t, "error_max_locks", admin.ask("pause|one-more|1000"))
	require.Equal(t, "ok", admin.ask("pause|key7|0"))
	require.Equal(t, "ok", admin.ask("pause|one-more|1000"))
}
