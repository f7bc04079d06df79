<?php

declare(strict_types=1);

namespace App\Kernel;

/** Tells subscribers what happened, those with the highest priority first. */
final class Events
{
    /** @var array<class-string, list<array{int, callable}>> */
    private array $listeners = [];

    public function subscribe(object $subscriber): void
    {
        foreach ((new \ReflectionObject($subscriber))->getMethods(\ReflectionMethod::IS_PUBLIC) as $method) {
            foreach ($method->getAttributes(Listens::class) as $attribute) {
                $type = ($method->getParameters()[0] ?? null)?->getType();
                if (!$type instanceof \ReflectionNamedType) {
                    throw new \UnexpectedValueException("{$method->class}::{$method->name}() does not say which event it takes");
                }
                $this->listeners[$type->getName()][] = [$attribute->newInstance()->priority, $method->getClosure($subscriber)];
            }
        }
    }

    public function sort(): void
    {
        foreach ($this->listeners as &$listeners) {
            usort($listeners, static fn (array $a, array $b): int => $b[0] <=> $a[0]);
        }
    }

    public function dispatch(object $event): void
    {
        foreach ($this->listeners[$event::class] ?? [] as [, $listener]) {
            $listener($event);
        }
    }
}
