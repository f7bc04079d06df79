<?php

declare(strict_types=1);

namespace App\Kernel;

use FpmGateway\Database;

/** What the bootstrap makes: everything that is the same for every request. */
final class Application
{
    /** @param array<string, float> $phasesMs how long each part of the bootstrap took */
    private function __construct(
        private readonly Container $container,
        private readonly Router $router,
        private readonly Access $access,
        private readonly int $classes,
        public readonly array $phasesMs,
    ) {
    }

    public static function boot(string $folder): self
    {
        $clock = new Clock();
        $modules = glob("$folder/modules/*", GLOB_ONLYDIR) ?: [];
        $in = static fn (string $name): array => array_map(static fn (string $module): string => "$module/$name", $modules);
        $config = ConfigFiles::read([...$in('config'), "$folder/config"]);
        $clock->lap('configuration');
        $translations = new Translations($in('texts'));
        $clock->lap('texts');
        $found = Classes::find("$folder/modules");
        $clock->lap('finding classes');
        $classes = Classes::load($found);
        $clock->lap('loading classes');
        $container = new Container($config);
        $container->set(Classes::class, $classes);
        $container->set(Translations::class, $translations);
        $container->set(Database::class, new Database($config->get('database.dsn')));
        $loaded = self::load($classes, $config, $container);
        $container->check($classes->in('Repository', 'Service', 'Controller', 'Subscriber'));
        $clock->lap('container');
        $router = $container->get(Router::class);
        $clock->lap('routes');
        foreach ([Entities::class, Validator::class, Shapes::class, Access::class] as $class) {
            $container->get($class);
        }
        $clock->lap('entities, rules, shapes, access');
        self::subscribe($loaded, $container);
        foreach ($classes->in('Controller') as $controller) {
            $container->get($controller->name);
        }
        $clock->lap('services, subscribers, controllers');

        return new self($container, $router, $container->get(Access::class), $classes->count(), $clock->laps());
    }

    /** @return list<Module> */
    private static function load(Classes $classes, Config $config, Container $container): array
    {
        $loaded = [];
        foreach ($classes->implementing(Module::class) as $class) {
            // `App\Gadget\GadgetModule` has the section `gadget`.
            ConfigFiles::validate($config, strtolower(explode('\\', $class)[1]), $class::settings());
            $module = $container->get($class);
            $module->register($container);
            $loaded[] = $module;
        }

        return $loaded;
    }

    /** @param list<Module> $modules */
    private static function subscribe(array $modules, Container $container): void
    {
        $events = $container->get(Events::class);
        foreach ($modules as $module) {
            foreach ($module->subscribers($container) as $subscriber) {
                $events->subscribe($subscriber);
            }
        }
        $events->sort();
    }

    /** @return array<string, int> how large it is */
    public function size(): array
    {
        return ['classes' => $this->classes, 'routes' => $this->router->count()];
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    public function handle(string $role, string $method, string $path, array $body): array
    {
        [$controller, $name, $arguments] = $this->router->match($method, $path) ?? throw new NotFound("{$method} {$path} leads nowhere");
        $this->access->check($role, $controller, $name);

        return $this->container->get($controller)->{$name}(...$arguments, body: $body);
    }
}
