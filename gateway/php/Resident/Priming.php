<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Facts;
use FpmGateway\Runtime;

use function json_encode;

/** The first request of a worker: it loads the application where that is not done, and tells what it found. */
final class Priming
{
    public function __construct(private readonly Application $application, private readonly int $bornNs)
    {
    }

    /**
     * Members of the envelope's meta.
     *
     * @param \Closure(Signals|null): void $loaded when this has loaded the application
     * @param bool                         $good   false when it does not load: the worker is to end
     */
    public function run(\Closure $loaded, string &$payload, bool &$good): string
    {
        try {
            if (!$this->application->loaded) {
                $this->application->load();
                $loaded(Signals::hold());
            }
            $facts = Facts::all();
            $facts['opcache'] = $facts['opcache'] && (bool) ini_get('opcache.enable_cli');
            $payload = (string) json_encode($this->application->told(), Runtime::META_FLAGS);

            return Handling::members(['outcome' => 'primed', 'runtimeVersion' => Runtime::VERSION, 'engine' => 'resident'] + $facts + [
                'bornMs' => round((hrtime(true) - $this->bornNs) / 1e6, 3),
            ]);
        } catch (\Throwable $thrown) {
            $good = false;

            return Handling::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
        }
    }
}
