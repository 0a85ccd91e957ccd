package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// provideImage sees to it that the engine has the image.
func (e *Engine) provideImage(ctx context.Context, api *client.Client, image, policy string, out scheduler.OutputWriter) error {
	local, err := e.hasImage(ctx, api, image)
	switch {
	case err != nil:
		return err
	case policy == pullNever && !local:
		return fmt.Errorf("the image %s is not there, and the job says never to pull it", image)
	case policy == pullNever, policy == pullMissing && local:
		return nil
	}
	err = e.pull(ctx, api, image)
	if err == nil || ctx.Err() != nil || unreachable(err) {
		return err
	}
	if local {
		say(out, scheduler.Stderr, image+" cannot be pulled, so the image that is here is used: "+e.explain(err))
		return nil
	}
	return fmt.Errorf("the image %s cannot be pulled: %s", image, e.explain(err))
}

func (e *Engine) hasImage(ctx context.Context, api *client.Client, image string) (bool, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	_, err := api.ImageInspect(ctx, image)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// pull takes as long as it takes: the engine is watched meanwhile.
func (e *Engine) pull(ctx context.Context, api *client.Client, image string) error {
	auth, hint, err := registryAuth(image)
	if err != nil {
		return err
	}
	messages, err := api.ImagePull(ctx, image, client.ImagePullOptions{RegistryAuth: auth})
	if err == nil {
		defer messages.Close()
		err = messages.Wait(ctx)
	}
	if err != nil && hint != "" && !unreachable(err) {
		return errors.New(e.explain(err) + " (" + hint + ")")
	}
	return err
}
