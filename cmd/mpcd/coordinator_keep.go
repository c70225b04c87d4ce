package main

import (
	"time"

	"github.com/urfave/cli/v2"
	"github.com/urfave/cli/v2/altsrc"

	"github.com/meshmpc/mpcd/coordinator"
)

// Settings of how much a coordinator does at a time, what it keeps, and whom it
// tells.
const (
	setMaxSessions     = "max-sessions"
	setMaxQueue        = "max-queue"
	setPresignTarget   = "presign-target"
	setRetention       = "retention"
	setWebhookLoopback = "webhook-loopback"
	setWebhookPrivate  = "webhook-private"
)

func keepFlags() []cli.Flag {
	return []cli.Flag{
		number(setMaxSessions, "MPC_MAX_SESSIONS", coordinator.DefaultMaxSessions, "sessions that are at work at a time; others wait for their turn"),
		number(setMaxQueue, "MPC_MAX_QUEUE", coordinator.DefaultMaxQueue, "sessions that wait for their turn; more are refused with 429"),
		number(setPresignTarget, "MPC_PRESIGN_TARGET", coordinator.DefaultPresignTarget, "presignatures that ECDSA accounts in use keep if they ask for no other `COUNT`, at most 256; 0: none"),
		duration(setRetention, "MPC_RETENTION", coordinator.DefaultRetention, "how long sessions are kept after their end, at least 24h; 0: for ever"),
		altsrc.NewBoolFlag(&cli.BoolFlag{
			Name: setWebhookLoopback, EnvVars: variables("MPC_WEBHOOK_LOOPBACK"), Usage: "let webhooks call this machine, also over http",
		}),
		altsrc.NewBoolFlag(&cli.BoolFlag{
			Name: setWebhookPrivate, EnvVars: variables("MPC_WEBHOOK_PRIVATE"), Usage: "let webhooks call private addresses such as 10.0.0.0/8",
		}),
	}
}

// retention reads how long sessions are kept.
func retention(c *cli.Context) (time.Duration, error) {
	d := c.Duration(setRetention)
	if d != 0 && d < 24*time.Hour {
		return 0, refusef("--%s %v: use at least 24h, or 0 to keep sessions for ever", setRetention, d)
	}
	return d, nil
}
